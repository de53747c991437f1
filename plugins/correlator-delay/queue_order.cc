#include "plugins/correlator-delay/queue_order.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr float kPrior = 2.0f;
// Where nothing is known, order is more likely kept than not; less so between places.
constexpr float kStart = 0.3f, kStartBetween = 0.5f;
constexpr float kMemory = 2000;
// What the hazards are sure of says nothing about the order.
constexpr float kLeastChance = 0.05f;

}  // namespace

float QueueOrder::FindFactor(Outcome outcome, Label a, Label b) const {
  if (a == b) return FactorOf(KeyOf(outcome, a, a), kStart);
  const float within = std::max(FactorOf(KeyOf(outcome, a, a), kStartBetween),
                                FactorOf(KeyOf(outcome, b, b), kStartBetween));
  return std::min({1.0f, within, FactorOf(KeyOf(outcome, a, b), kStartBetween)});
}

float QueueOrder::FactorOf(uint32_t key, float start) const {
  const auto found = seen.find(key);
  if (found == seen.end()) return start;
  const Seen& s = found->second;
  const float seen_odds = (s.overtook + start * kPrior) / (s.in_order + kPrior);
  const float expected_odds = (s.expected_overtook + kPrior) / (s.expected_in_order + kPrior);
  return std::clamp(seen_odds / expected_odds, 0.003f, 3.0f);
}

void QueueOrder::Learn(Outcome outcome, std::span<const Waiter> due, uint32_t owner) {
  const auto mine = std::ranges::find(due, owner, &Waiter::request);
  if (mine == due.end()) return;
  const Waiter* oldest = &*mine;
  float hazard = 0;
  for (const Waiter& w : due) {
    if (w.last != mine->last) continue;
    hazard += w.hazard;
    if (Older(w, *oldest)) oldest = &w;
  }
  Add(outcome, mine->last, mine->last, oldest != &*mine, 1 - oldest->hazard / hazard);
  if (oldest != &*mine) return;
  for (const Waiter& w : due) {
    const auto before = [&](const Waiter& o) { return o.last == w.last && Older(o, w); };
    if (w.last == mine->last || std::ranges::any_of(due, before)) continue;
    const bool overtook = Older(w, *mine);
    Add(outcome, mine->last, w.last, overtook,
        (overtook ? mine->hazard : w.hazard) / (mine->hazard + w.hazard));
  }
}

void QueueOrder::Add(Outcome outcome, Label a, Label b, bool overtook, float expected_overtook) {
  if (expected_overtook < kLeastChance || expected_overtook > 1 - kLeastChance) return;
  const uint32_t key = KeyOf(outcome, a, b);
  if (seen.size() >= kMaxPairs && !seen.contains(key)) return;
  Seen& s = seen[key];
  ++changes_[outcome];
  (overtook ? s.overtook : s.in_order) += 1;
  s.expected_overtook += expected_overtook;
  s.expected_in_order += 1 - expected_overtook;
  if (s.overtook + s.in_order < kMemory) return;
  for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order}) *f /= 2;
}

void QueueOrder::Fade(float factor) {
  continuity.Scale(factor);
  for (uint32_t& change : changes_) ++change;
  for (auto& [key, s] : seen)
    for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order})
      *f *= factor;
}

}  // namespace weft::plugins::delay
