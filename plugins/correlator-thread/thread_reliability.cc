#include "plugins/correlator-thread/thread_reliability.h"

#include <algorithm>
#include <cmath>

namespace weft::plugins {
namespace {

// The start value holds until about 20 observations: worth 1.5 for a match and -1.0 for a mismatch,
// enough to order a thread-per-request server's first window, not enough to overrule clear timing.
constexpr float kStartTrue = 0.7f;
constexpr float kStartOther = 0.15f;
constexpr float kStartWeight = 4.0f;
constexpr float kStartUntil = 20.0f;
// Then both rates lean on their common mean, so that nothing seen means nothing said.
constexpr float kPooledWeight = 2.0f;
constexpr float kMemory = 400.0f;  // observations; older ones count half
constexpr float kLimit = 5.0f;

float Rate(float match, float seen, float start, float pooled) {
  const float fade = std::max(0.0f, 1.0f - seen / kStartUntil);
  const float start_weight = kStartWeight * fade;
  const float pooled_weight = kPooledWeight * (1.0f - fade);
  return (match + start_weight * start + pooled_weight * pooled) /
         (seen + start_weight + pooled_weight);
}

float LogRatio(float a, float b) { return std::clamp(std::log(a / b), -kLimit, kLimit); }

}  // namespace

void ThreadReliability::Parent(bool match, float weight) {
  true_seen += weight;
  if (match) true_match += weight;
  Fade();
}

void ThreadReliability::Others(float matches, float seen) {
  other_seen += seen;
  other_match += matches;
  Fade();
}

void ThreadReliability::Fade() {
  if (true_seen > kMemory) {
    true_seen /= 2;
    true_match /= 2;
  }
  if (other_seen > kMemory) {
    other_seen /= 2;
    other_match /= 2;
  }
}

ThreadReliability::Voices ThreadReliability::Weigh() const {
  const float seen = true_seen + other_seen;
  const float pooled =
      seen > 0 ? std::clamp((true_match + other_match) / seen, 0.02f, 0.98f) : kStartTrue;
  const float parent = Rate(true_match, true_seen, kStartTrue, pooled);
  const float other = Rate(other_match, other_seen, kStartOther, pooled);
  Voices voices;
  voices.match = LogRatio(parent, other);
  voices.mismatch = LogRatio(1.0f - parent, 1.0f - other);
  // "A later request took the thread" means something only where threads are not shared by all.
  voices.superseded = other * voices.match + (1.0f - other) * voices.mismatch;
  return voices;
}

}  // namespace weft::plugins
