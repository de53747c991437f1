#include "sql/trace_times.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

namespace weft::sql {
namespace {

// As in the rows: bit 0 of the flags is "open", status 2 is ERROR.
bool Ended(const StoredSpan& span) { return (span.flags & 1) == 0; }
bool Failed(const StoredSpan& span) { return span.status == 2; }

class Times {
 public:
  explicit Times(const std::vector<StoredSpan>& spans) : spans_(spans), times_(spans.size()) {
    std::unordered_set<uint64_t> ids;
    for (const StoredSpan& span : spans) ids.insert(span.span_id);
    for (size_t i = 0; i < spans.size(); ++i) {
      const uint64_t parent = spans[i].parent_id;
      times_[i].orphan = parent != 0 && !ids.contains(parent);
      if (parent != 0) below_[parent].push_back(i);
    }
    for (size_t i = 0; i < spans.size(); ++i)
      times_[i].has_below = below_.contains(spans[i].span_id);
  }

  std::vector<SpanTimes> Run() {
    for (size_t i = 0; i < spans_.size(); ++i)
      if (Ended(spans_[i])) times_[i].self_ns = SelfTime(i);
    Walk();
    return std::move(times_);
  }

 private:
  const std::vector<size_t>& Below(size_t i) const {
    static const std::vector<size_t> kNone;
    const auto found = below_.find(spans_[i].span_id);
    return found == below_.end() ? kNone : found->second;
  }

  int64_t SelfTime(size_t i) const {
    const StoredSpan& span = spans_[i];
    std::vector<std::pair<int64_t, int64_t>> parts;
    for (const size_t b : Below(i))
      if (Ended(spans_[b]))
        parts.emplace_back(std::max(spans_[b].start_ns, span.start_ns),
                           std::min(spans_[b].end_ns(), span.end_ns()));
    std::sort(parts.begin(), parts.end());
    int64_t covered = 0, reach = span.start_ns;
    for (const auto& [low, high] : parts) {
      covered += std::max<int64_t>(0, high - std::max(low, reach));
      reach = std::max(reach, high);
    }
    return span.duration_ns - covered;
  }

  struct Part {
    size_t span;
    int64_t low, high;
  };

  void Walk() {
    size_t root = spans_.size();
    for (size_t i = 0; i < spans_.size(); ++i) {
      if (!Ended(spans_[i]) || (spans_[i].parent_id != 0 && !times_[i].orphan)) continue;
      const auto rank = [&](size_t s) { return std::tuple(-spans_[s].duration_ns, spans_[s].row); };
      if (root == spans_.size() || rank(i) < rank(root)) root = i;
    }
    if (root == spans_.size()) return;
    std::vector<Part> open{{root, spans_[root].start_ns, spans_[root].end_ns()}};
    while (!open.empty()) {
      const Part part = open.back();
      open.pop_back();
      if (times_[part.span].on_path) continue;
      times_[part.span].on_path = true;
      times_[part.span].path_ns = part.high - part.low - Descend(part, open);
    }
  }

  // Adds the parts of the spans below `part` to `open`; their sum.
  int64_t Descend(const Part& part, std::vector<Part>& open) {
    std::vector<size_t> below;
    for (const size_t b : Below(part.span))
      if (Ended(spans_[b]) && spans_[b].end_ns() > part.low) below.push_back(b);
    std::sort(below.begin(), below.end(),
              [&](size_t a, size_t b) { return spans_[a].end_ns() > spans_[b].end_ns(); });
    // Those that end at or after where we are end there as far as we are concerned: of these the
    // one that began first.
    using Begin = std::tuple<int64_t, int64_t, size_t>;
    std::priority_queue<Begin, std::vector<Begin>, std::greater<>> ready;
    int64_t at = part.high, sum = 0;
    size_t next = 0;
    const auto admit = [&](int64_t end) {
      for (; next < below.size() && spans_[below[next]].end_ns() >= end; ++next)
        if (spans_[below[next]].start_ns < at)
          ready.emplace(spans_[below[next]].start_ns, spans_[below[next]].row, below[next]);
    };
    while (at > part.low) {
      admit(at);
      while (!ready.empty() && std::get<0>(ready.top()) >= at) ready.pop();
      if (ready.empty()) {
        while (next < below.size() && spans_[below[next]].start_ns >= at) ++next;
        if (next == below.size()) break;
        admit(spans_[below[next]].end_ns());
      }
      const size_t span = std::get<2>(ready.top());
      ready.pop();
      const Part taken{span, std::max(spans_[span].start_ns, part.low),
                       std::min(spans_[span].end_ns(), at)};
      at = taken.low;
      if (times_[span].on_path) continue;
      sum += taken.high - taken.low;
      open.push_back(taken);
    }
    return sum;
  }

  const std::vector<StoredSpan>& spans_;
  std::vector<SpanTimes> times_;
  std::unordered_map<uint64_t, std::vector<size_t>> below_;
};

}  // namespace

std::vector<SpanTimes> TimesOf(const std::vector<StoredSpan>& spans) { return Times(spans).Run(); }

std::vector<size_t> ErrorCauses(const std::vector<StoredSpan>& spans) {
  std::unordered_set<uint64_t> explained;
  for (const StoredSpan& span : spans)
    if (Failed(span)) explained.insert(span.parent_id);
  std::vector<size_t> causes;
  for (size_t i = 0; i < spans.size(); ++i)
    if (Failed(spans[i]) && !explained.contains(spans[i].span_id)) causes.push_back(i);
  std::stable_sort(causes.begin(), causes.end(), [&](size_t a, size_t b) {
    return std::tuple(spans[a].end_ns(), spans[a].row) <
           std::tuple(spans[b].end_ns(), spans[b].row);
  });
  return causes;
}

}  // namespace weft::sql
