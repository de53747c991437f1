// CallRates: how often a process makes calls that belong to none of its requests: timers, requests
// that were lost on their way here.
//
// Calls made while no request was open are such. Where a process is hardly ever idle there are few
// of them; then the strays count, calls that were decided to be nobody's and would have been at a
// 2,000th of the rate: all that were decided so would feed on themselves. Plain value; one thread.
#pragma once

#include <algorithm>
#include <array>

#include "plugins/correlator-delay/request_state.h"

namespace weft::plugins::delay {

class CallRates {
 public:
  // An orphan began while no request was open.
  void ObserveCall(uint32_t callee, bool orphan, bool stray);
  // Microseconds with and without open requests.
  void ObserveTime(double busy, double idle) {
    busy_ += busy;
    idle_ += idle;
  }
  void SetTime(double busy, double idle) {
    busy_ = busy;
    idle_ = idle;
  }
  void Scale(float factor);
  // Log of calls per microsecond.
  float LogBackground(uint32_t callee) const;
  // What a search supposes at least: calls of each callee, in that time.
  void Suppose(const std::array<uint32_t, kOutcomes>& calls, double microseconds);
  float LogSupposed(uint32_t callee) const {
    return std::max(LogBackground(callee), supposed_[callee]);
  }

 private:
  friend class StateCodec;
  std::array<float, kOutcomes> calls_{}, orphans_{}, strays_{};
  double busy_ = 0, idle_ = 0;
  std::array<float, kOutcomes> supposed_{};  // log rates, of the search in progress
};

}  // namespace weft::plugins::delay
