#include "engine/eval/load_change.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/eval/random.h"

namespace weft::eval {

void Compress(KnownTraces& known, double factor) {
  std::vector<int64_t> begin(known.traces, INT64_MAX);
  int64_t first = INT64_MAX;
  for (const KnownSpan& s : known.spans) {
    begin[s.trace] = std::min(begin[s.trace], s.start_ns);
    first = std::min(first, s.start_ns);
  }
  for (KnownSpan& s : known.spans) {
    const auto pulled = static_cast<int64_t>(static_cast<double>(begin[s.trace] - first) / factor);
    // To whole microseconds, which is what the recordings' clocks tell.
    const int64_t shift = first + pulled / 1000 * 1000 - begin[s.trace];
    s.start_ns += shift;
    s.end_ns += shift;
  }
}

void Lose(KnownTraces& known, double calls, double requests, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> moved(known.spans.size(), -1);
  std::vector<KnownSpan> kept;
  for (size_t i = 0; i < known.spans.size(); ++i) {
    const KnownSpan& span = known.spans[i];
    if (random.Uniform() < (span.call ? calls : requests)) continue;
    moved[i] = static_cast<int32_t>(kept.size());
    kept.push_back(span);
  }
  for (KnownSpan& span : kept) {
    if (span.parent < 0) continue;
    span.parent = moved[static_cast<size_t>(span.parent)];
    span.orphan = span.call && span.parent < 0;
  }
  known.spans = std::move(kept);
}

void AddNoise(KnownTraces& known, int64_t deviation_ns, uint64_t seed) {
  Random random(seed);
  const auto late = [&] {
    return static_cast<int64_t>(static_cast<double>(deviation_ns) * std::abs(random.Normal()));
  };
  for (KnownSpan& span : known.spans) {
    span.start_ns += late();
    span.end_ns = std::max(span.start_ns, span.end_ns + late());
  }
}

}  // namespace weft::eval
