// RequestWalk: what one request did, in order, as a RequestModel counts or judges it.
//
// One thread; reused, so that nothing is allocated in steady state.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plugins/correlator-delay/request_states.h"

namespace weft::plugins::delay {

// A request and its calls, once it does not matter any more which ones they were.
struct DoneCall {
  int64_t start_ns = 0, end_ns = 0;  // end 0: not known
  uint16_t callee = 0;
};
struct DoneRequest {
  int64_t start_ns = 0, end_ns = 0;  // end 0: not known
  uint16_t operation = 0;
  uint32_t calls = 0;
};

class RequestWalk {
 public:
  // `states` are of the model, and know all callees. `recent`: requests come in the order in which
  // they ended.
  void Count(const DoneRequest& request, std::span<const DoneCall> calls, bool recent,
             RequestModel& model, RequestStates& states);
  // Log-likelihood of what it did and when, by the model.
  double Likelihood(const DoneRequest& request, std::span<const DoneCall> calls,
                    const RequestModel& model, RequestStates& states);

 private:
  struct Step {
    int64_t at;  // in the order
    uint32_t what;
    uint16_t callee;
    int64_t until;  // of a call: its response; 0: not known
    int64_t seen;
  };
  void FindSteps(const DoneRequest& request, std::span<const DoneCall> calls, int64_t slack_ns);

  std::vector<Step> steps_;
};

}  // namespace weft::plugins::delay
