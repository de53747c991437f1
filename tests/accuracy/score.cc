#include "tests/accuracy/score.h"

#include <algorithm>
#include <map>

namespace weft::accuracy {

std::vector<bool> Ambiguous(const Recording& recording) {
  const auto& spans = recording.spans;
  std::vector<bool> out(spans.size());
  std::map<uint32_t, std::vector<uint32_t>> by_service;
  for (uint32_t i = 0; i < spans.size(); ++i) by_service[spans[i].service].push_back(i);
  for (auto& [service, rows] : by_service) {
    std::ranges::sort(rows, [&](uint32_t a, uint32_t b) {
      if (spans[a].start_ns != spans[b].start_ns) return spans[a].start_ns < spans[b].start_ns;
      return spans[a].client < spans[b].client;
    });
    std::vector<uint32_t> open;
    for (const uint32_t row : rows) {
      if (!spans[row].client) {
        open.push_back(row);
        continue;
      }
      std::erase_if(open, [&](uint32_t s) { return spans[s].end_ns < spans[row].start_ns; });
      out[row] = std::ranges::count_if(
                     open, [&](uint32_t s) { return spans[s].end_ns >= spans[row].end_ns; }) > 1;
    }
  }
  return out;
}

Score Evaluate(const Recording& recording, const std::vector<bool>& ambiguous,
               const Parents& parents) {
  Score score;
  uint64_t right = 0, ambiguous_right = 0, unlinked = 0, calls = 0;
  std::vector<char> seen(recording.traces, 0), wrong(recording.traces, 0);
  for (size_t i = 0; i < recording.spans.size(); ++i) {
    const Span& span = recording.spans[i];
    if (!span.client) continue;
    ++calls;
    if (parents[i] < 0) ++unlinked;
    if (span.parent < 0) continue;  // nobody knows its parent
    const bool ok = parents[i] == span.parent;
    ++score.spans;
    right += ok;
    if (ambiguous[i]) {
      ++score.ambiguous;
      ambiguous_right += ok;
    }
    seen[span.trace] = 1;
    if (!ok) wrong[span.trace] = 1;
  }
  const auto share = [](uint64_t part, uint64_t whole) {
    return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto n = static_cast<uint64_t>(std::ranges::count(seen, 1));
  score.span_accuracy = share(right, score.spans);
  score.ambiguous_accuracy = share(ambiguous_right, score.ambiguous);
  score.trace_exact = share(n - static_cast<uint64_t>(std::ranges::count(wrong, 1)), n);
  score.unlinked = share(unlinked, calls);
  return score;
}

}  // namespace weft::accuracy
