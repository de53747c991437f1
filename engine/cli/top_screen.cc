#include "engine/cli/top_screen.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/text_table.h"

namespace weft::cli {
namespace {

using Look = ScreenLine::Look;
using Lines = std::vector<ScreenLine>;
using Facts = std::vector<std::string>;

constexpr size_t kIndent = 10;

// Somebody else's numbers may be anything.
bool Sane(const Figure& figure) { return figure && std::isfinite(*figure); }
double Bounded(double value) { return std::clamp(value, 0.0, 1e15); }

std::string Count(const Figure& figure) {
  if (!Sane(figure)) return "-";
  const double v = Bounded(*figure);
  if (v < 1e4) return fmt::format("{:.0f}", v);
  if (v < 1e6) return fmt::format("{:.1f}k", v / 1e3);
  if (v < 1e9) return fmt::format("{:.1f}M", v / 1e6);
  return fmt::format("{:.1f}G", v / 1e9);
}

std::string Rate(const Figure& figure) {
  if (!Sane(figure)) return "-";
  const double v = Bounded(*figure);
  return (v > 0 && v < 9.95 ? fmt::format("{:.1f}", v) : Count(v)) + "/s";
}

std::string Size(const Figure& figure) {
  return Sane(figure) ? ShortSize(static_cast<uint64_t>(Bounded(*figure))) : "-";
}
std::string SizeRate(const Figure& figure) { return Sane(figure) ? Size(figure) + "/s" : "-"; }
std::string Seconds(const Figure& figure) {
  if (!Sane(figure)) return "-";
  const double ns = std::min(Bounded(*figure) * 1e9, 9e18);
  return ns < 1 ? "0s" : ShortDuration(static_cast<int64_t>(ns));
}

// "label" only where there is something to say.
void AddFact(std::string_view label, const Figure& figure, std::string (*format)(const Figure&),
             Facts* facts) {
  if (figure) facts->push_back(fmt::format("{} {}", label, format(figure)));
}
// A rate is there once there are two readings; `now` tells whether the part is.
void AddRate(std::string_view label, const Figure& rate, Facts* facts) {
  AddFact(label, rate, Rate, facts);
}

// "  agent    a 1  b 2", going on below the first fact where the line is full.
void AddFacts(std::string_view label, const Facts& facts, const OutputStyle& style, Look look,
              Lines* out) {
  if (facts.empty()) return;
  const auto width = static_cast<size_t>(std::max(style.width, 1));
  std::string line = fmt::format("  {:<{}}", label, kIndent - 2);
  bool first = true;
  for (const std::string& fact : facts) {
    const std::string shown = Printable(fact);
    if (!first && DisplayWidth(line) + 2 + DisplayWidth(shown) > width) {
      out->push_back({line, look});
      line = std::string(kIndent, ' ');
      first = true;
    }
    line += (first ? "" : "  ") + shown;
    first = false;
  }
  out->push_back({line, look});
}

// Loses columns from the right until it fits.
void AddTable(std::vector<std::vector<std::string>> rows, size_t indent, const OutputStyle& style,
              Lines* out) {
  OutputStyle inner = style;
  inner.color = false;
  inner.width = std::max(style.width - static_cast<int>(indent), 1);
  for (size_t columns = rows[0].size(); columns > 0; --columns) {
    TextTable table({rows[0].begin(), rows[0].begin() + static_cast<std::ptrdiff_t>(columns)});
    for (size_t i = 1; i < rows.size(); ++i)
      table.Add({rows[i].begin(), rows[i].begin() + static_cast<std::ptrdiff_t>(columns)});
    const std::string text = table.Render(inner);
    Lines lines;
    bool fits = true;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\n', at), text.size());
      const std::string line = text.substr(at, end - at);
      fits &= DisplayWidth(line) <= static_cast<size_t>(inner.width);
      lines.push_back({std::string(indent, ' ') + line, at == 0 ? Look::kTitle : Look::kPlain});
      at = end + 1;
    }
    if (!fits && columns > 1) continue;
    out->insert(out->end(), lines.begin(), lines.end());
    return;
  }
}

std::string Lost(const TopFigures& figures) {
  double total = 0;
  for (const LossFigures& loss : figures.losses) total += loss.total;
  return Count(total);
}

Figure Largest(const std::vector<StageFigures>& stages, Figure StageFigures::*member) {
  Figure out;
  for (const StageFigures& stage : stages)
    if (Sane(stage.*member)) out = std::max(out.value_or(0), *(stage.*member));
  return out;
}

void AddOverview(std::span<const TopView> views, const OutputStyle& style, Lines* out) {
  std::vector<std::vector<std::string>> rows = {{"endpoint", "state", "lost", "lag", "watermark",
                                                 "observed", "stored", "open", "cores", "memory",
                                                 "up"}};
  for (const TopView& view : views) {
    const TopFigures& f = view.figures;
    const bool answers = view.looked && view.trouble.empty();
    const std::string state = !view.looked           ? "asked"
                              : !answers             ? "no answer"
                              : f.command.empty()    ? "weft"
                              : view.waits_for != "" ? f.command + ", waits"
                                                     : f.command;
    rows.push_back({view.address, state, answers ? Lost(f) : "-",
                    Seconds(Largest(f.stages, &StageFigures::lag_s)),
                    Seconds(Largest(f.stages, &StageFigures::watermark_s)), Rate(f.observed),
                    Rate(f.exported), Count(f.open_traces),
                    Sane(f.cores) ? fmt::format("{:.2f}", Bounded(*f.cores)) : "-",
                    Size(f.memory_bytes), answers ? ShortDuration(view.up_ns) : "-"});
  }
  AddTable(std::move(rows), 0, style, out);
}

void AddFlow(const TopFigures& f, const OutputStyle& style, Lines* out) {
  Facts kernel, agent, links, traces;
  AddRate("seen", f.kernel_seen, &kernel);
  AddRate("submitted", f.kernel_submitted, &kernel);
  AddFacts("kernel", kernel, style, Look::kPlain, out);

  AddRate("observed", f.observed, &agent);
  AddRate("records", f.records, &agent);
  AddRate("published", f.published, &agent);
  AddFact("queued", f.queued, Count, &agent);
  AddFact("unacknowledged", f.in_flight_bytes, Size, &agent);
  AddFacts("agent", agent, style, Look::kPlain, out);

  AddRate("spans", f.linked, &links);
  AddFact("open windows", f.open_windows, Count, &links);
  AddFact("waiting for callers", f.pending_links, Count, &links);
  AddRate("roots", f.roots, &links);
  AddRate("unlinked", f.unlinked, &links);
  AddFacts("links", links, style, Look::kPlain, out);

  AddFact("open", f.open_traces, Count, &traces);
  AddFact("their spans", f.pending_spans, Count, &traces);
  AddRate("spans", f.trace_spans, &traces);
  if (f.reported.value_or(0) > 0) AddRate("from OTLP", f.reported, &traces);
  AddRate("decided", f.closed, &traces);
  AddRate("kept", f.kept, &traces);
  AddRate("sampled out", f.sampled_out, &traces);
  AddRate("stored", f.exported, &traces);
  AddFacts("traces", traces, style, Look::kPlain, out);
}

void AddTables(const TopFigures& f, const OutputStyle& style, Lines* out) {
  if (!f.stages.empty()) {
    std::vector<std::vector<std::string>> rows = {{"stage", "lag", "watermark", "partitions",
                                                   "records behind", "spans", "memory", "read",
                                                   "written", "commit p99"}};
    for (const StageFigures& s : f.stages)
      rows.push_back({s.name, Seconds(s.lag_s), Seconds(s.watermark_s), Count(s.partitions),
                      Count(s.records_lag), Count(s.spans), Size(s.bytes), SizeRate(s.read_bytes),
                      SizeRate(s.written_bytes), Seconds(s.commit_p99_s)});
    AddTable(std::move(rows), 2, style, out);
  }
  if (f.sinks.empty()) return;
  std::vector<std::vector<std::string>> rows = {
      {"sink", "stored", "pending", "queued", "retries", "delay p50", "p99"}};
  for (const SinkFigures& s : f.sinks)
    rows.push_back({s.name, Rate(s.rows), Count(s.pending), Size(s.queued_bytes), Rate(s.retries),
                    Seconds(s.delay_p50_s), Seconds(s.delay_p99_s)});
  AddTable(std::move(rows), 2, style, out);
}

void AddLosses(const TopFigures& f, const OutputStyle& style, Lines* out) {
  if (f.losses.empty()) return AddFacts("lost", {"nothing"}, style, Look::kPlain, out);
  Facts facts;
  bool growing = false;
  for (const LossFigures& loss : f.losses) {
    const bool grows = loss.rate.value_or(0) > 0;
    growing |= grows;
    facts.push_back(fmt::format("{} {}{}", loss.name, Count(loss.total),
                                grows ? fmt::format(" (+{})", Rate(loss.rate)) : ""));
  }
  AddFacts("lost", facts, style, growing ? Look::kBad : Look::kPlain, out);
}

void AddEndpoint(const TopView& view, const OutputStyle& style, Lines* out) {
  const TopFigures& f = view.figures;
  if (!view.looked) {
    out->push_back({view.address + "  asked", Look::kTitle});
    return;
  }
  if (!view.trouble.empty()) {
    out->push_back({view.address, Look::kBad});
    std::string since;
    if (view.trouble_ns > 0) since = " (for " + ShortDuration(view.trouble_ns) + ")";
    AddFacts("", {view.trouble + since}, style, Look::kBad, out);
    return;
  }
  Facts facts = {fmt::format("weft {} {}", f.command, f.version),
                 "up " + ShortDuration(view.up_ns)};
  if (Sane(f.cores)) facts.push_back(fmt::format("{:.2f} cores", Bounded(*f.cores)));
  if (Sane(f.memory_bytes)) facts.push_back(Size(f.memory_bytes));
  out->push_back({view.address, Look::kTitle});
  AddFacts("process", facts, style, Look::kPlain, out);
  if (!view.waits_for.empty()) AddFacts("waits", {view.waits_for}, style, Look::kBad, out);
  AddFlow(f, style, out);
  AddTables(f, style, out);
  AddLosses(f, style, out);
}

}  // namespace

std::vector<ScreenLine> TopLines(const std::string& title, std::span<const TopView> views,
                                 const OutputStyle& style) {
  Lines lines;
  if (!title.empty()) lines.push_back({title, Look::kPlain});
  if (views.size() > 1) AddOverview(views, style, &lines);
  for (const TopView& view : views) {
    if (!lines.empty()) lines.push_back({});
    AddEndpoint(view, style, &lines);
  }
  const auto width = static_cast<size_t>(std::max(style.width, 1));
  for (ScreenLine& line : lines) line.text = Fit(Printable(line.text), width, style.unicode);
  return lines;
}

std::string PlainText(std::span<const ScreenLine> lines) {
  std::string out;
  for (const ScreenLine& line : lines) out.append(line.text).push_back('\n');
  return out;
}

std::string PaintFrame(std::span<const ScreenLine> lines, const OutputStyle& style, size_t height) {
  height = std::max<size_t>(height, 1);
  const size_t shown = lines.size() <= height ? lines.size() : height - 1;
  std::string out = "\x1b[H";  // no clearing first: that flickers
  const auto line = [&](const std::string& text, Look look) {
    const char* const paint = look == Look::kTitle ? "\x1b[1m" : "\x1b[31m";
    if (out.size() > 3) out += "\r\n";
    out += "\x1b[K";  // behind a full line it would erase the last column
    if (style.color && look != Look::kPlain)
      out.append(paint).append(text).append("\x1b[0m");
    else
      out += text;
  };
  for (size_t i = 0; i < shown; ++i) line(lines[i].text, lines[i].look);
  if (shown < lines.size())
    line(Fit(fmt::format("{} more lines: a taller terminal shows them", lines.size() - shown),
             static_cast<size_t>(std::max(style.width, 1)), style.unicode),
         Look::kTitle);
  return out + "\x1b[J";
}

}  // namespace weft::cli
