#include "engine/cli/eval_rows.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/json_writer.h"
#include "engine/cli/svg_plot.h"
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
      {"slow", phases,
       [](const EvalRow& r) { return fmt::format("{} x{:.3g}", r.slow.service, r.slow.factor); }},
      {"before %", phases,
       [](const EvalRow& r) { return Percent(r.phases->before.service_span_accuracy); }},
      {"during %", phases,
       [](const EvalRow& r) { return Percent(r.phases->during.service_span_accuracy); }},
      {"after %", phases,
       [](const EvalRow& r) { return Percent(r.phases->after.service_span_accuracy); }},
  };
}

void AddPhases(JsonWriter& json, const eval::SlowService& slow, const eval::PhaseScores& phases) {
  json.BeginObject("phases");
  json.Field("service", slow.service);
  json.Field("factor", slow.factor);
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
                                      fmt::format("{:.1f}", row.concurrency),
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
  return "file,compress,concurrency,correlator,spans,span_accuracy,ambiguous,ambiguous_accuracy,"
         "trace_exact,"
         "unlinked,orphans,orphans_unlinked,ece,us_per_span,bytes_per_process\n";
}

std::string EvalCsv(const EvalRow& row) {
  const eval::Score& s = row.score;
  return fmt::format(
      "{},{:g},{:.3f},{},{},{:.6f},{},{:.6f},{:.6f},{:.6f},{},{:.6f},{:.6f},{:.4f},{}\n", row.file,
      row.compress, row.concurrency, row.correlator, s.spans, s.span_accuracy, s.ambiguous,
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
    json.Field("concurrency", row.concurrency);
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
    if (row.phases) AddPhases(json, row.slow, *row.phases);
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

namespace {

// A line per recording and method, in the order of the rows.
template <typename Points>
std::vector<PlotLine> LinesOf(const std::vector<EvalRow>& rows, bool by_load, Points points) {
  std::vector<PlotLine> lines;
  std::set<std::string> files;
  for (const EvalRow& row : rows) files.insert(row.file);
  for (const EvalRow& row : rows) {
    std::string name = files.size() == 1 ? row.correlator : row.file + " " + row.correlator;
    if (!by_load) name += fmt::format(" x{:g}", row.compress);
    auto at = std::ranges::find(lines, name, &PlotLine::name);
    if (at == lines.end()) at = lines.insert(lines.end(), PlotLine{name, {}});
    points(row, at->points);
  }
  for (PlotLine& line : lines) std::ranges::sort(line.points);
  return lines;
}

}  // namespace

std::string EvalPlot(const std::vector<EvalRow>& rows) {
  const auto lines = LinesOf(rows, true, [](const EvalRow& row, auto& points) {
    points.emplace_back(std::max(row.concurrency, 0.01), 100 * row.score.trace_exact);
  });
  return SvgPlot({.title = rows.empty() ? "" : rows[0].file,
                  .x_name = "requests open when a call begins (mean)",
                  .y_name = "traces exact %",
                  .log_x = true},
                 lines);
}

std::string ReliabilityPlot(const std::vector<EvalRow>& rows) {
  const auto lines = LinesOf(rows, false, [](const EvalRow& row, auto& points) {
    // What a handful of calls shows is chance.
    for (const auto& bin : row.reliability.bins)
      if (bin.calls >= 20) points.emplace_back(bin.confidence, bin.accuracy);
  });
  return SvgPlot({.title = "confidence and truth",
                  .x_name = "confidence that a link states",
                  .y_name = "share that is right",
                  .y_max = 1,
                  .diagonal = true},
                 lines);
}

}  // namespace weft::cli
