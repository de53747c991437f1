#include "engine/cli/eval_store.h"

#include <charconv>

#include <fmt/format.h>

#include "engine/cli/json_writer.h"
#include "engine/cli/text_table.h"
#include "sql/truth_score.h"

namespace weft::cli {
namespace {

void AddScore(JsonWriter& json, const sql::ServiceScore& s) {
  json.Field("client_spans", s.span.of);
  json.Field("client_spans_right", s.span.right);
  json.Field("span_accuracy", s.span.Value());
  json.Field("ambiguous", s.ambiguous.of);
  json.Field("ambiguous_right", s.ambiguous.right);
  json.Field("ambiguous_accuracy", s.ambiguous.Value());
  json.Field("cross_process", s.cross_process.of);
  json.Field("cross_process_right", s.cross_process.right);
  json.Field("cross_process_accuracy", s.cross_process.Value());
  json.Field("unlinked", s.unlinked);
}

std::string Percent(const sql::Share& share) {
  return share.of == 0 ? "-" : fmt::format("{:.2f} %", 100 * share.Value());
}

Result<sql::RootRange> ParseRoots(std::string_view text) {
  sql::RootRange range;
  if (text.empty()) return range;
  const size_t dash = text.find('-');
  const auto number = [](std::string_view part, uint64_t* out) {
    if (!part.starts_with('r')) return false;
    const auto parsed = std::from_chars(part.data() + 1, part.data() + part.size(), *out);
    return parsed.ec == std::errc{} && parsed.ptr == part.data() + part.size();
  };
  if (dash == text.npos || !number(text.substr(0, dash), &range.first) ||
      !number(text.substr(dash + 1), &range.last))
    return Fail(Code::kInvalid, fmt::format("--roots {}: expected rA-rB, like r1-r500", text));
  return range;
}

void PrintJson(const sql::TruthScore& score) {
  JsonWriter json;
  json.BeginObject();
  json.Field("traces", score.traces);
  json.Field("spans", score.spans);
  json.Field("roots", score.trace_exact.of);
  json.Field("roots_exact", score.trace_exact.right);
  json.Field("trace_exact", score.trace_exact.Value());
  AddScore(json, score.total);
  json.BeginObject("services");
  for (const auto& [name, service] : score.services) {
    json.BeginObject(name);
    AddScore(json, service);
    json.End();
  }
  json.End();
  json.End();
  fmt::print("{}", json.text());
}

void PrintTable(const sql::TruthScore& score) {
  fmt::print("{} spans with truth in {} traces; {} of {} root requests exact ({})\n\n", score.spans,
             score.traces, score.trace_exact.right, score.trace_exact.of,
             Percent(score.trace_exact));
  TextTable table({"service", "calls", "right", "ambiguous", "right", "unlinked", "requests",
                   "cross-process right"});
  const auto add = [&](const std::string& name, const sql::ServiceScore& s) {
    table.Add({name, std::to_string(s.span.of), Percent(s.span), std::to_string(s.ambiguous.of),
               Percent(s.ambiguous), std::to_string(s.unlinked), std::to_string(s.cross_process.of),
               Percent(s.cross_process)});
  };
  for (const auto& [name, service] : score.services) add(name, service);
  add("(all)", score.total);
  fmt::print("{}", table.Render(Stdout()));
}

}  // namespace

Result<int> ScoreStores(const StoreNames& names, std::string_view roots_text, bool json,
                        CommandContext& context) {
  const Result<sql::RootRange> roots = ParseRoots(roots_text);
  if (!roots) return std::unexpected(roots.error());
  const auto stores = OpenStore(names, context);
  if (!stores) return std::unexpected(stores.error());
  const auto score = sql::ScoreTruth(*stores, *roots);
  if (!score) return std::unexpected(score.error());
  json ? PrintJson(*score) : PrintTable(*score);
  return kExitOk;
}

}  // namespace weft::cli
