#include "plugins/correlator-delay/queue_order.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr float kPrior = 2.0f;
constexpr float kStart = 0.3f;       // where nothing is known, order is more likely kept than not
constexpr float kStartOther = 0.5f;  // the same between different places
constexpr float kMemory = 2000;

}  // namespace

uint32_t QueueOrder::KeyOf(Outcome outcome, Label a, Label b) {
  return uint32_t{outcome} << 16 | uint32_t{std::min(a, b)} << 8 | std::max(a, b);
}

float QueueOrder::OvertakeFactor(Outcome outcome, Label a, Label b) const {
  const float start = a == b ? kStart : kStartOther;
  const auto found = seen.find(KeyOf(outcome, a, b));
  if (found == seen.end()) return start;
  const Seen& s = found->second;
  const float seen_odds = (s.overtook + start * kPrior) / (s.in_order + kPrior);
  const float expected_odds = (s.expected_overtook + kPrior) / (s.expected_in_order + kPrior);
  return std::clamp(seen_odds / expected_odds, 0.003f, 3.0f);
}

void QueueOrder::Add(Outcome outcome, Label a, Label b, bool overtook, float expected_overtook) {
  const uint32_t key = KeyOf(outcome, a, b);
  if (seen.size() >= kMaxPairs && !seen.contains(key)) return;
  Seen& s = seen[key];
  (overtook ? s.overtook : s.in_order) += 1;
  s.expected_overtook += expected_overtook;
  s.expected_in_order += 1 - expected_overtook;
  if (s.overtook + s.in_order < kMemory) return;
  for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order}) *f /= 2;
}

void QueueOrder::Fade(float factor) {
  continuity.Scale(factor);
  for (auto& [key, s] : seen)
    for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order})
      *f *= factor;
}

}  // namespace weft::plugins::delay
