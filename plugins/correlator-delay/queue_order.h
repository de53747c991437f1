// QueueOrder: how often a request was served before another that had waited longer, per callee (and
// the end of a request) and per pair of places (last events) in which the two waited. Event loops
// and ordered queues do that rarely, also between requests of different kinds; thread pools and
// timers as often as chance has it. Learned from decided calls, after what followed them has had
// its say, by comparing overtakes seen with overtakes that the hazards expect.
//
// Two places whose own queues are kept in order count as one queue, whatever was seen between them:
// where nothing but the hazards told them apart, decisions teach nothing but the hazards.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>

#include "plugins/correlator-delay/request_state.h"
#include "plugins/correlator-delay/thread_continuity.h"

namespace weft::plugins::delay {

// One that was due when a call began or a request ended.
struct Waiter {
  uint32_t request;
  Label last;    // its last event
  int64_t at;    // since when it waits
  float hazard;  // relative to the others'
  friend bool Older(const Waiter& a, const Waiter& b) {
    return a.at != b.at ? a.at < b.at : a.request < b.request;
  }
};

struct QueueOrder {
  struct Seen {
    float overtook = 0, in_order = 0;                    // what was decided
    float expected_overtook = 0, expected_in_order = 0;  // what the hazards alone say
  };
  std::unordered_map<uint32_t, Seen> seen;  // by KeyOf
  ThreadContinuity continuity;

  static uint32_t KeyOf(Outcome outcome, Label a, Label b) {
    return uint32_t{outcome} << 16 | uint32_t{std::min(a, b)} << 8 | std::max(a, b);
  }
  // By how much less likely than its hazard says it is that a request in one place overtakes one in
  // the other (or in the same); 1 is "no matter".
  float OvertakeFactor(Outcome outcome, Label a, Label b) const {
    const uint32_t key = KeyOf(outcome, a, b);
    Known& known = known_[(key ^ key >> 5 ^ key >> 13) % known_.size()];
    if (known.key != key || known.change != changes_[outcome])
      known = {key, changes_[outcome], FindFactor(outcome, a, b)};
    return known.factor;
  }
  // `owner` was served; nothing where it is none of those that were due.
  void Learn(Outcome outcome, std::span<const Waiter> due, uint32_t owner);
  void Fade(float factor);

  static constexpr size_t kMaxPairs = 768;

 private:
  // Every hypothesis about one event asks for the same few factors.
  struct Known {
    uint32_t key = UINT32_MAX, change = 0;
    float factor = 1;
  };

  void Add(Outcome outcome, Label a, Label b, bool overtook, float expected_overtook);
  float FactorOf(uint32_t key, float start) const;
  float FindFactor(Outcome outcome, Label a, Label b) const;

  std::array<uint32_t, kOutcomes> changes_{};  // how often `seen` of an outcome has changed
  mutable std::array<Known, 256> known_{};
};

}  // namespace weft::plugins::delay
