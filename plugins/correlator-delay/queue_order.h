// QueueOrder: how often, per callee and for the end of a request, one was served before another
// that had waited longer in the same place. Event loops and ordered queues do that rarely, thread
// pools as often as chance has it. Learned from decided calls by comparing overtakes seen with
// overtakes that the hazards expect.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/request_model.h"
#include "plugins/correlator-delay/thread_continuity.h"

namespace weft::plugins::delay {

struct QueueOrder {
  struct Seen {
    float overtook = 0, in_order = 0;                    // what was decided
    float expected_overtook = 0, expected_in_order = 0;  // what the hazards alone say
  };
  std::vector<Seen> seen = std::vector<Seen>(kOutcomes);
  ThreadContinuity continuity;

  // By how much less likely than its hazard says it is that a request overtakes; 1 is "no matter".
  float OvertakeFactor(Outcome outcome) const;
  void Add(Outcome outcome, bool overtook, float expected_overtook);
  void Fade(float factor);
};

}  // namespace weft::plugins::delay
