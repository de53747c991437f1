#include "engine/cli/waterfall.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_map>

#include <fmt/format.h>

#include "engine/api/plugin_abi.h"
#include "engine/base/units.h"

namespace weft::cli {
namespace {

constexpr int kNarrowest = 40;  // columns for names and numbers
constexpr int kSmallestBar = 10;
constexpr size_t kNumberWidth = 7;

struct Line {
  const sql::StoredSpan* span = nullptr;
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
  Tree(const std::vector<sql::StoredSpan>& spans, bool unicode) : unicode_(unicode) {
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
      lines.push_back({next.span, next.here, found != children_.end()});
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

std::string Marks(const sql::StoredSpan& s, const WaterfallOptions& options) {
  std::string marks;
  const auto add = [&](std::string_view mark) {
    marks.append(marks.empty() ? "" : " ").append(mark);
  };
  if (s.status == WEFT_STATUS_ERROR) add("ERROR");
  if (s.flags & WEFT_FLAG_OPEN) add("open");
  if (s.flags & WEFT_FLAG_LATE) add("late");
  if (s.flags & WEFT_FLAG_INCOMPLETE) add("incomplete");
  if (s.parent_id != 0 && s.confidence < options.low_confidence)
    add(fmt::format("{:.0f}%?", s.confidence * 100));
  return marks;
}

std::string Bar(const sql::StoredTrace& trace, const sql::StoredSpan& s, int width, bool unicode) {
  const auto total = static_cast<double>(std::max<int64_t>(trace.duration_ns, 1));
  const auto column = [&](int64_t ns) {
    const double share = static_cast<double>(ns - trace.start_ns) / total;
    return std::clamp(static_cast<int>(std::floor(share * width)), 0, width - 1);
  };
  const bool open = (s.flags & WEFT_FLAG_OPEN) != 0;
  const int begin = column(s.start_ns), end = open ? width - 1 : column(s.end_ns());
  std::string bar;
  for (int i = 0; i < width; ++i) {
    const bool inside = i >= begin && i <= end;
    const char ascii = IsCall(s) ? '-' : '=';
    if (!inside)
      bar += ' ';
    else if (unicode)
      bar += IsCall(s) ? "─" : "█";
    else
      bar += ascii;
  }
  return bar;
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
  const size_t shown = std::min(tree.lines.size(), options.max_spans);
  size_t label_width = 0, mark_width = 0;
  std::vector<std::string> labels, marks;
  for (size_t i = 0; i < shown; ++i) {
    const sql::StoredSpan& span = *tree.lines[i].span;
    labels.push_back(tree.lines[i].tree + Label(tree.lines[i], style.unicode));
    marks.push_back(Marks(span, options));
    label_width = std::max(label_width, DisplayWidth(labels.back()));
    mark_width = std::max(mark_width, marks.back().size());
  }
  const int id_width = options.ids ? 18 : 0;
  const int fixed =
      id_width + static_cast<int>(kNumberWidth + (mark_width ? mark_width + 2 : 0)) + 2;
  int room = style.width - fixed;
  int bar_width = 0;
  if (room >= kNarrowest) {
    label_width = std::min(label_width, static_cast<size_t>(room) * 11 / 20);
    bar_width = room - static_cast<int>(label_width) - 4;
    if (bar_width < kSmallestBar) bar_width = 0;
  }
  label_width = std::min(label_width, static_cast<size_t>(std::max(room, 10)));

  std::string out = Head(trace, spans);
  for (size_t i = 0; i < shown; ++i) {
    const sql::StoredSpan& span = *tree.lines[i].span;
    const bool error = span.status == WEFT_STATUS_ERROR;
    const bool open = (span.flags & WEFT_FLAG_OPEN) != 0;
    std::string line;
    if (options.ids) line += sql::HexId(span.span_id) + "  ";
    line += Pad(labels[i], label_width, style.unicode);
    const std::string duration = open ? "..." : ShortDuration(span.duration_ns);
    line += fmt::format("{:>{}}", duration, kNumberWidth + 1);
    if (bar_width > 0) line += "  |" + Bar(trace, span, bar_width, style.unicode) + "|";
    if (!marks[i].empty()) line += "  " + marks[i];
    line.erase(line.find_last_not_of(' ') + 1);
    if (style.color && error) line = "\x1b[31m" + line + "\x1b[0m";
    out += line + "\n";
  }
  if (shown < tree.lines.size())
    out += fmt::format("... and {} more spans (--limit {})\n", tree.lines.size() - shown,
                       tree.lines.size());
  return out;
}

}  // namespace weft::cli
