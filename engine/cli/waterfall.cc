#include "engine/cli/waterfall.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "engine/api/plugin_abi.h"
#include "engine/base/units.h"
#include "sql/trace_times.h"

namespace weft::cli {
namespace {

constexpr int kNarrowest = 40;  // columns for names and numbers
constexpr int kSmallestBar = 10;
constexpr int kSelfFrom = 90;  // columns from which self times are shown
constexpr size_t kPathParts = 4;
constexpr size_t kNumberWidth = 7;

struct Line {
  const sql::StoredSpan* span = nullptr;
  size_t index = 0;
  std::string tree;
  bool parent = false;  // spans below it follow
};

bool IsCall(const sql::StoredSpan& s) {
  return s.kind == WEFT_KIND_CLIENT || s.kind == WEFT_KIND_PRODUCER;
}

// The spans in tree order. A span whose parent is not stored stands at the top; a loop, which only
// a damaged store can hold, is cut.
class Tree {
 public:
  Tree(const std::vector<sql::StoredSpan>& spans, bool unicode)
      : first_(spans.data()), unicode_(unicode) {
    std::set<uint64_t> ids;
    for (const auto& span : spans) ids.insert(span.span_id);
    std::vector<const sql::StoredSpan*> tops;
    for (const auto& span : spans) {
      const bool below = span.parent_id != 0 && ids.contains(span.parent_id);
      (below ? children_[span.parent_id] : tops).push_back(&span);
    }
    for (const auto* top : tops) Descend(*top);
    for (const auto& span : spans) Descend(span);
  }
  std::vector<Line> lines;

 private:
  struct Waiting {
    const sql::StoredSpan* span;
    std::string here, below;
  };

  // Depth first without recursion: traces can be as deep as they like.
  void Descend(const sql::StoredSpan& top) {
    std::vector<Waiting> stack{{&top, "", ""}};
    while (!stack.empty()) {
      const Waiting next = std::move(stack.back());
      stack.pop_back();
      if (!done_.insert(next.span->row).second) continue;
      const auto found = children_.find(next.span->span_id);
      lines.push_back({next.span, static_cast<size_t>(next.span - first_), next.here,
                       found != children_.end()});
      if (found == children_.end()) continue;
      const auto& all = found->second;
      for (size_t i = all.size(); i-- > 0;) {
        const bool last = i + 1 == all.size();
        stack.push_back({all[i],
                         next.below + (unicode_ ? (last ? "└ " : "├ ") : (last ? "` " : "|-")),
                         next.below + (last       ? "  "
                                       : unicode_ ? "│ "
                                                  : "| ")});
      }
    }
  }

  const sql::StoredSpan* first_;
  bool unicode_;
  std::unordered_map<uint64_t, std::vector<const sql::StoredSpan*>> children_;
  std::set<int64_t> done_;
};

// Who was called is said only where it is not traced itself and so stands in the next line.
std::string Label(const Line& line, bool unicode) {
  const sql::StoredSpan& s = *line.span;
  if (!IsCall(s)) return Printable(s.service + "  " + s.operation);
  const std::string peer = s.peer.empty() || line.parent ? "" : "  " + s.peer;
  return Printable((unicode ? "→ " : "> ") + s.operation + peer);
}

std::string Marks(const sql::StoredSpan& s, const sql::SpanTimes& times,
                  const WaterfallOptions& options) {
  std::string marks;
  const auto add = [&](std::string_view mark) {
    marks.append(marks.empty() ? "" : " ").append(mark);
  };
  if (s.status == WEFT_STATUS_ERROR) add("ERROR");
  if (s.flags & WEFT_FLAG_OPEN) add("open");
  if (s.flags & WEFT_FLAG_LATE) add("late");
  if (s.flags & WEFT_FLAG_INCOMPLETE) add("incomplete");
  if (times.orphan) add("parent not stored");
  if (s.attributes.find("\"otel.links\"") != std::string::npos) add("links");
  if (s.parent_id != 0 && s.confidence < options.low_confidence)
    add(fmt::format("{:.0f}%?", s.confidence * 100));
  return marks;
}

// Where on a bar of `width` cells a time is.
class Scale {
 public:
  Scale(const sql::StoredTrace& trace, int width)
      : start_(trace.start_ns),
        total_(static_cast<double>(std::max<int64_t>(trace.duration_ns, 1))),
        width_(width) {}
  int Cell(int64_t ns) const {
    const double share = static_cast<double>(ns - start_) / total_;
    return std::clamp(static_cast<int>(std::floor(share * width_)), 0, width_ - 1);
  }
  int width() const { return width_; }

 private:
  int64_t start_;
  double total_;
  int width_;
};

bool IsOpen(const sql::StoredSpan& s) { return (s.flags & WEFT_FLAG_OPEN) != 0; }

std::string Bar(const Scale& scale, const sql::StoredSpan& s,
                const std::vector<const sql::StoredSpan*>& below, bool unicode) {
  const int begin = scale.Cell(s.start_ns);
  const int end = IsOpen(s) ? scale.width() - 1 : scale.Cell(s.end_ns());
  enum Cell : uint8_t { kNothing, kOwn, kBelow, kCall };
  std::vector<Cell> cells(static_cast<size_t>(scale.width()), kNothing);
  for (int i = begin; i <= end; ++i) cells[static_cast<size_t>(i)] = IsCall(s) ? kCall : kOwn;
  // Cells that a span below fills to the brim; the ones in which it begins or ends are shared.
  for (const sql::StoredSpan* b : below) {
    if (IsCall(s)) break;
    const int to = IsOpen(*b) ? scale.width() : scale.Cell(b->end_ns());
    for (int i = std::max(scale.Cell(b->start_ns) + 1, begin); i < std::min(to, end + 1); ++i)
      cells[static_cast<size_t>(i)] = kBelow;
  }
  static constexpr std::string_view kUnicode[] = {" ", "█", "░", "─"},
                                    kAscii[] = {" ", "=", ":", "-"};
  std::string bar;
  for (const Cell cell : cells) bar += (unicode ? kUnicode : kAscii)[cell];
  return bar;
}

// What the critical path consists of, the largest parts first.
std::string PathSummary(const sql::StoredTrace& trace, const std::vector<sql::StoredSpan>& spans,
                        const std::vector<sql::SpanTimes>& times) {
  std::map<std::string, int64_t> parts;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (!times[i].on_path) continue;
    const sql::StoredSpan& s = spans[i];
    const std::string what = !IsCall(s)           ? s.service
                             : times[i].has_below ? "network from " + s.service
                             : s.peer.empty()     ? "calls of " + s.service
                                                  : s.peer + " (not traced)";
    parts[what] += times[i].path_ns;
  }
  std::vector<std::pair<int64_t, std::string>> largest;
  for (auto& [what, ns] : parts) largest.emplace_back(ns, what);
  std::sort(largest.rbegin(), largest.rend());
  if (largest.empty()) return "";
  const double total = static_cast<double>(std::max<int64_t>(trace.duration_ns, 1));
  std::string text = "* critical path:";
  for (size_t i = 0; i < std::min(largest.size(), kPathParts); ++i)
    text += fmt::format("{} {} {} ({:.0f} %)", i == 0 ? "" : ",", Printable(largest[i].second),
                        ShortDuration(largest[i].first),
                        100 * static_cast<double>(largest[i].first) / total);
  return text + "\n";
}

std::string ErrorSummary(const std::vector<sql::StoredSpan>& spans) {
  const std::vector<size_t> causes = sql::ErrorCauses(spans);
  if (causes.empty()) return "";
  const sql::StoredSpan& s = spans[causes.front()];
  std::string text = fmt::format("  error began: {}  {}", s.service, s.operation);
  if (IsCall(s) && !s.peer.empty()) text += "  " + s.peer;
  if (causes.size() > 1) text += fmt::format(", and {} more", causes.size() - 1);
  return Printable(text) + "\n";
}

std::string Head(const sql::StoredTrace& trace, const std::vector<sql::StoredSpan>& spans) {
  std::set<std::string> services;
  for (const auto& span : spans) services.insert(span.service);
  std::string head =
      fmt::format("trace {}\n{} UTC   {}   {} span{} of {} service{}", trace.trace_id,
                  UtcTime(trace.start_ns), ShortDuration(trace.duration_ns), spans.size(),
                  spans.size() == 1 ? "" : "s", services.size(), services.size() == 1 ? "" : "s");
  if (trace.errors > 0)
    head += fmt::format("   {} error{}", trace.errors, trace.errors == 1 ? "" : "s");
  if (trace.flags & WEFT_FLAG_INCOMPLETE) head += "   incomplete: something was lost on the way";
  return head + "\n\n";
}

}  // namespace

std::string Waterfall(const sql::StoredTrace& trace, const std::vector<sql::StoredSpan>& spans,
                      const WaterfallOptions& options, const OutputStyle& style) {
  Tree tree(spans, style.unicode);
  const std::vector<sql::SpanTimes> times = sql::TimesOf(spans);
  std::unordered_map<uint64_t, std::vector<const sql::StoredSpan*>> below;
  for (const sql::StoredSpan& span : spans)
    if (span.parent_id != 0) below[span.parent_id].push_back(&span);
  const size_t shown = std::min(tree.lines.size(), options.max_spans);
  size_t label_width = 0, mark_width = 0;
  std::vector<std::string> labels, marks;
  for (size_t i = 0; i < shown; ++i) {
    const Line& line = tree.lines[i];
    labels.push_back(line.tree + Label(line, style.unicode));
    marks.push_back(Marks(*line.span, times[line.index], options));
    label_width = std::max(label_width, DisplayWidth(labels.back()));
    mark_width = std::max(mark_width, marks.back().size());
  }
  const bool self = style.width >= kSelfFrom;
  const int id_width = options.ids ? 18 : 0;
  const int fixed = id_width + static_cast<int>(2 + kNumberWidth + (self ? kNumberWidth + 1 : 0) +
                                                (mark_width ? mark_width + 2 : 0));
  int room = style.width - fixed;
  int bar_width = 0;
  if (room >= kNarrowest) {
    label_width = std::min(label_width, static_cast<size_t>(room) * 11 / 20);
    bar_width = room - static_cast<int>(label_width) - 4;
    if (bar_width < kSmallestBar) bar_width = 0;
  }
  label_width = std::min(label_width, static_cast<size_t>(std::max(room, 10)));
  const Scale scale(trace, std::max(bar_width, 1));

  std::string out = Head(trace, spans);
  if (self)
    out += fmt::format("{:{}}{:>{}}{:>{}}\n", "", static_cast<size_t>(id_width) + label_width + 2,
                       "total", kNumberWidth, "self", kNumberWidth + 1);
  for (size_t i = 0; i < shown; ++i) {
    const sql::StoredSpan& span = *tree.lines[i].span;
    const sql::SpanTimes& t = times[tree.lines[i].index];
    std::string line;
    if (options.ids) line += sql::HexId(span.span_id) + "  ";
    line += Pad(labels[i], label_width, style.unicode);
    line += t.on_path ? " *" : "  ";
    line +=
        fmt::format("{:>{}}", IsOpen(span) ? "..." : ShortDuration(span.duration_ns), kNumberWidth);
    if (self)
      line += fmt::format("{:>{}}", IsOpen(span) ? "" : ShortDuration(t.self_ns), kNumberWidth + 1);
    if (bar_width > 0) {
      const auto found = below.find(span.span_id);
      static const std::vector<const sql::StoredSpan*> kNone;
      line += "  |" +
              Bar(scale, span, found == below.end() ? kNone : found->second, style.unicode) + "|";
    }
    if (!marks[i].empty()) line += "  " + marks[i];
    line.erase(line.find_last_not_of(' ') + 1);
    if (style.color && (span.status == WEFT_STATUS_ERROR || t.on_path))
      line = (span.status == WEFT_STATUS_ERROR ? "\x1b[31m" : "\x1b[1m") + line + "\x1b[0m";
    out += line + "\n";
  }
  if (shown < tree.lines.size())
    out += fmt::format("... and {} more spans (--limit {})\n", tree.lines.size() - shown,
                       tree.lines.size());
  return out + "\n" + PathSummary(trace, spans, times) + ErrorSummary(spans);
}

}  // namespace weft::cli
