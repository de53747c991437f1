#include "engine/eval/score.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

namespace weft::eval {
namespace {

double ShareOf(uint64_t part, uint64_t whole) {
  return whole == 0 ? 1.0 : static_cast<double>(part) / static_cast<double>(whole);
}

bool IsScored(const KnownSpan& span) { return span.call && (span.parent >= 0 || span.orphan); }

// Calls visit(call, requests of its service that were open when it began).
template <typename Visit>
void ForEachCall(const KnownTraces& known, Visit visit) {
  const auto& spans = known.spans;
  std::map<uint32_t, std::vector<uint32_t>> by_service;
  for (uint32_t i = 0; i < spans.size(); ++i) by_service[spans[i].service].push_back(i);
  for (auto& [service, rows] : by_service) {
    std::ranges::sort(rows, [&](uint32_t a, uint32_t b) {
      return std::tuple(spans[a].start_ns, spans[a].call, a) <
             std::tuple(spans[b].start_ns, spans[b].call, b);
    });
    std::vector<uint32_t> open;
    for (const uint32_t row : rows) {
      if (!spans[row].call) {
        open.push_back(row);
        continue;
      }
      std::erase_if(open, [&](uint32_t s) { return spans[s].end_ns < spans[row].start_ns; });
      visit(row, open);
    }
  }
}

}  // namespace

std::vector<bool> Ambiguous(const KnownTraces& known) {
  std::vector<bool> out(known.spans.size());
  ForEachCall(known, [&](uint32_t call, const std::vector<uint32_t>& open) {
    out[call] = std::ranges::count_if(open, [&](uint32_t request) {
                  return known.spans[request].end_ns >= known.spans[call].end_ns;
                }) > 1;
  });
  return out;
}

double MeanOpen(const KnownTraces& known) {
  uint64_t calls = 0, sum = 0;
  ForEachCall(known, [&](uint32_t, const std::vector<uint32_t>& open) {
    ++calls;
    sum += open.size();
  });
  return calls == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(calls);
}

Score Evaluate(const KnownTraces& known, const std::vector<bool>& ambiguous,
               const Parents& parents) {
  Score score;
  uint64_t right = 0, ambiguous_right = 0, unlinked = 0, calls = 0, orphans_right = 0;
  std::vector<char> seen(known.traces, 0), wrong(known.traces, 0);
  for (size_t i = 0; i < known.spans.size(); ++i) {
    const KnownSpan& span = known.spans[i];
    if (!span.call) continue;
    ++calls;
    if (parents[i] < 0) ++unlinked;
    if (!IsScored(span)) continue;
    const bool ok = parents[i] == span.parent;
    ++score.spans;
    right += ok;
    if (span.orphan) {
      ++score.orphans;
      orphans_right += ok;
    }
    if (ambiguous[i]) {
      ++score.ambiguous;
      ambiguous_right += ok;
    }
    seen[span.trace] = 1;
    if (!ok) wrong[span.trace] = 1;
  }
  const auto traces = static_cast<uint64_t>(std::ranges::count(seen, 1));
  const auto bad = static_cast<uint64_t>(std::ranges::count(wrong, 1));
  score.span_accuracy = ShareOf(right, score.spans);
  score.ambiguous_accuracy = ShareOf(ambiguous_right, score.ambiguous);
  score.trace_exact = ShareOf(traces - bad, traces);
  score.unlinked = ShareOf(unlinked, calls);
  score.orphans_unlinked = ShareOf(orphans_right, score.orphans);
  return score;
}

Reliability Calibration(const KnownTraces& known, const Parents& parents,
                        const std::vector<float>& confidence) {
  Reliability out;
  uint64_t right[Reliability::kBins] = {};
  uint64_t all = 0;
  for (size_t i = 0; i < known.spans.size(); ++i) {
    const KnownSpan& span = known.spans[i];
    if (!IsScored(span) || parents[i] < 0) continue;
    const double sure = std::clamp(static_cast<double>(confidence[i]), 0.0, 1.0);
    const auto bin =
        std::min(static_cast<size_t>(sure * Reliability::kBins), Reliability::kBins - 1);
    ++all;
    ++out.bins[bin].calls;
    out.bins[bin].confidence += sure;
    right[bin] += parents[i] == span.parent;
  }
  for (size_t b = 0; b < Reliability::kBins; ++b) {
    Reliability::Bin& bin = out.bins[b];
    if (bin.calls == 0) continue;
    const auto n = static_cast<double>(bin.calls);
    bin.confidence /= n;
    bin.accuracy = static_cast<double>(right[b]) / n;
    out.ece += n / static_cast<double>(all) * std::abs(bin.confidence - bin.accuracy);
  }
  return out;
}

}  // namespace weft::eval
