#include "engine/cli/eval_rows.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/json_writer.h"
#include "engine/cli/text_table.h"

namespace weft::cli {
namespace {

std::string Percent(double share) { return fmt::format("{:.2f}", 100 * share); }

// One column each of those that only some runs have.
struct Extra {
  const char* header;
  bool wanted;
  std::string (*cell)(const EvalRow&);
};

std::vector<Extra> ExtrasOf(const std::vector<EvalRow>& rows) {
  bool orphans = false, phases = false;
  for (const EvalRow& row : rows) {
    orphans |= row.score.orphans > 0;
    phases |= row.phases.has_value();
  }
  return {
      {"orphans kept %", orphans,
       [](const EvalRow& r) { return Percent(r.score.orphans_unlinked); }},
      {"before %", phases,
       [](const EvalRow& r) { return Percent(r.phases->before.service_span_accuracy); }},
      {"during %", phases,
       [](const EvalRow& r) { return Percent(r.phases->during.service_span_accuracy); }},
      {"after %", phases,
       [](const EvalRow& r) { return Percent(r.phases->after.service_span_accuracy); }},
  };
}

void AddPhases(JsonWriter& json, const eval::PhaseScores& phases) {
  json.BeginObject("phases");
  const auto add = [&](std::string_view name, const eval::PhaseScore& phase) {
    json.BeginObject(name);
    json.Field("spans", phase.spans);
    json.Field("span_accuracy", phase.span_accuracy);
    json.Field("service_spans", phase.service_spans);
    json.Field("service_span_accuracy", phase.service_span_accuracy);
    json.End();
  };
  add("before", phases.before);
  add("during", phases.during);
  add("after", phases.after);
  json.End();
}

}  // namespace

std::string EvalText(const std::vector<EvalRow>& rows) {
  const std::vector<Extra> extras = ExtrasOf(rows);
  std::vector<std::string> header = {"file",       "load",      "correlator", "calls",
                                     "right %",    "ambiguous", "right %",    "exact %",
                                     "unlinked %", "ece",       "us/span",    "bytes"};
  for (const Extra& extra : extras)
    if (extra.wanted) header.insert(header.end() - 3, extra.header);
  TextTable table(std::move(header));
  for (const EvalRow& row : rows) {
    const eval::Score& s = row.score;
    std::vector<std::string> cells = {row.file,
                                      fmt::format("x{:g}", row.compress),
                                      row.correlator,
                                      std::to_string(s.spans),
                                      Percent(s.span_accuracy),
                                      std::to_string(s.ambiguous),
                                      Percent(s.ambiguous_accuracy),
                                      Percent(s.trace_exact),
                                      Percent(s.unlinked),
                                      fmt::format("{:.4f}", row.reliability.ece),
                                      fmt::format("{:.2f}", row.us_per_span),
                                      ShortSize(row.bytes_per_process)};
    for (const Extra& extra : extras)
      if (extra.wanted) cells.insert(cells.end() - 3, extra.cell(row));
    table.Add(std::move(cells));
  }
  OutputStyle style = Stdout();
  style.width = std::max(style.width, 160);  // a cut figure is worse than a wrapped line
  return table.Render(style);
}

std::string EvalCsvHeader() {
  return "file,compress,correlator,spans,span_accuracy,ambiguous,ambiguous_accuracy,trace_exact,"
         "unlinked,orphans,orphans_unlinked,ece,us_per_span,bytes_per_process\n";
}

std::string EvalCsv(const EvalRow& row) {
  const eval::Score& s = row.score;
  return fmt::format("{},{:g},{},{},{:.6f},{},{:.6f},{:.6f},{:.6f},{},{:.6f},{:.6f},{:.4f},{}\n",
                     row.file, row.compress, row.correlator, s.spans, s.span_accuracy, s.ambiguous,
                     s.ambiguous_accuracy, s.trace_exact, s.unlinked, s.orphans, s.orphans_unlinked,
                     row.reliability.ece, row.us_per_span, row.bytes_per_process);
}

std::string EvalJson(const std::vector<EvalRow>& rows) {
  JsonWriter json;
  json.BeginArray();
  for (const EvalRow& row : rows) {
    const eval::Score& s = row.score;
    json.BeginObject();
    json.Field("file", row.file);
    json.Field("compress", row.compress);
    json.Field("correlator", row.correlator);
    json.Field("spans", s.spans);
    json.Field("span_accuracy", s.span_accuracy);
    json.Field("ambiguous", s.ambiguous);
    json.Field("ambiguous_accuracy", s.ambiguous_accuracy);
    json.Field("trace_exact", s.trace_exact);
    json.Field("unlinked", s.unlinked);
    json.Field("orphans", s.orphans);
    json.Field("orphans_unlinked", s.orphans_unlinked);
    json.Field("ece", row.reliability.ece);
    json.Field("us_per_span", row.us_per_span);
    json.Field("bytes_per_process", row.bytes_per_process);
    if (row.phases) AddPhases(json, *row.phases);
    json.BeginArray("reliability");
    for (const auto& bin : row.reliability.bins) {
      if (bin.calls == 0) continue;
      json.BeginObject();
      json.Field("calls", bin.calls);
      json.Field("confidence", bin.confidence);
      json.Field("accuracy", bin.accuracy);
      json.End();
    }
    json.End();
    json.End();
  }
  json.End();
  return json.text();
}

}  // namespace weft::cli
