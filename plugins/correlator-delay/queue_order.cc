#include "plugins/correlator-delay/queue_order.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr float kPrior = 2.0f;
constexpr float kStart = 0.3f;  // where nothing is known, order is more likely kept than not
constexpr float kMemory = 2000;

}  // namespace

float QueueOrder::OvertakeFactor(Outcome outcome) const {
  const Seen& s = seen[outcome];
  const float seen_odds = (s.overtook + kStart * kPrior) / (s.in_order + kPrior);
  const float expected_odds = (s.expected_overtook + kPrior) / (s.expected_in_order + kPrior);
  return std::clamp(seen_odds / expected_odds, 0.003f, 3.0f);
}

void QueueOrder::Add(Outcome outcome, bool overtook, float expected_overtook) {
  Seen& s = seen[outcome];
  (overtook ? s.overtook : s.in_order) += 1;
  s.expected_overtook += expected_overtook;
  s.expected_in_order += 1 - expected_overtook;
  if (s.overtook + s.in_order < kMemory) return;
  for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order}) *f /= 2;
}

void QueueOrder::Fade(float factor) {
  continuity.Scale(factor);
  for (Seen& s : seen)
    for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order})
      *f *= factor;
}

}  // namespace weft::plugins::delay
