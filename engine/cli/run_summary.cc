#include "engine/cli/run_summary.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

#include <sys/resource.h>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/base/units.h"
#include "engine/cli/json_writer.h"

namespace weft::cli {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// The sink that a counter says has dropped; nothing for any other counter.
std::optional<std::string_view> DroppingSink(std::string_view counter) {
  constexpr std::string_view kBegin = "sink.dropped{sink=";
  if (!counter.starts_with(kBegin) || !counter.ends_with('}')) return std::nullopt;
  return counter.substr(kBegin.size(), counter.size() - kBegin.size() - 1);
}

uint64_t RefusedBy(std::string_view sink, const Counters& counters) {
  const std::string name = fmt::format("sink.refused{{sink={}}}", sink);
  const auto found = std::ranges::find(counters, name, &Counters::value_type::first);
  return found == counters.end() ? 0 : found->second;
}

}  // namespace

double RunSummary::CpuCores() const {
  return elapsed_ns > 0 ? cpu_seconds / (static_cast<double>(elapsed_ns) / 1e9) : 0;
}

bool RunSummary::IsExpendable(std::string_view sink) const {
  return std::ranges::find(expendable, sink) != expendable.end();
}

std::string RunSummary::Text() const {
  std::string out =
      fmt::format("{} traces of {} spans in {}; weft used {:.2f} cores and {:.0f} MB\n",
                  stats.traces, stats.spans, ShortDuration(elapsed_ns), CpuCores(), max_rss_mb);
  out += fmt::format("ledger: {}\n", LedgerLine(TotalLedger(counters)));
  for (const auto& [name, dropped] : counters)
    if (const auto sink = DroppingSink(name); sink && IsExpendable(*sink))
      if (const uint64_t refused = RefusedBy(*sink, counters); dropped > refused)
        out += fmt::format(
            "{}: {} spans were not delivered: it was away or too slow (when_full: drop)\n", *sink,
            dropped - refused);
  if (db.empty()) return out;
  const std::string option = db == "weft.db" ? "" : fmt::format(" --db {}", db);
  out += fmt::format("store:  {}\n", db);
  if (stats.traces == 0) return out + "nothing was traced: is there traffic? try: weft doctor\n";
  return out +
         fmt::format("try:    weft traces{0}\n        weft graph{0} | dot -Tsvg > graph.svg\n",
                     option);
}

std::string RunSummary::Json() const {
  const LedgerTotals totals = TotalLedger(counters);
  JsonWriter json;
  json.BeginObject();
  json.Field("traces", stats.traces);
  json.Field("spans", stats.spans);
  json.Field("db", db);
  json.Field("elapsed_s", static_cast<double>(elapsed_ns) / 1e9);
  json.Field("agent_cpu_seconds", cpu_seconds);
  json.Field("agent_cpu_cores", CpuCores());
  json.Field("agent_rss_mb", max_rss_mb);
  json.BeginObject("ledger");
  json.Field("observed", totals.observed);
  json.Field("stored", totals.stored);
  json.Field("sampled_out", totals.sampled_out);
  json.Field("lost", totals.lost);
  json.Field("unexplained", totals.unexplained);
  json.End();
  json.BeginObject("counters");
  for (const auto& [name, value] : counters) json.Field(name, value);
  json.End();
  json.End();
  return json.text();
}

Result<void> RunSummary::CheckStored() const {
  for (const auto& [name, dropped] : counters) {
    const auto sink = DroppingSink(name);
    if (!sink || dropped == 0) continue;
    if (const uint64_t refused = RefusedBy(*sink, counters); refused > 0)
      return Fail(Code::kIo, fmt::format("{} spans were refused by {} for good; the messages above "
                                         "say why",
                                         refused, *sink));
    if (!IsExpendable(*sink))
      return Fail(Code::kIo, fmt::format("{} spans were not stored by {}; the messages above say "
                                         "why",
                                         dropped, *sink));
  }
  return {};
}

void MeasureProcess(RunSummary* summary) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  summary->cpu_seconds = Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
  summary->max_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024;
}

Result<void> WriteTextFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file.fail()) return Fail(Code::kIo, fmt::format("{}: {}", path, std::strerror(errno)));
  return {};
}

}  // namespace weft::cli
