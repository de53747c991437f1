// RequestStates: the states of a RequestModel as small numbers, with their transitions and
// log-probabilities remembered, so that following a request costs two array reads.
//
// Numbers are valid until Clear. Call Clear after the model was rebuilt or the number of callees
// has grown. Beyond kMaxStates the multiset of calls is left out of new states. One thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "plugins/correlator-delay/request_model.h"

namespace weft::plugins::delay {

class RequestStates {
 public:
  void Clear(const RequestModel& model, uint32_t callees);

  uint32_t Start(uint32_t operation) { return Intern(Begun(operation)); }
  uint32_t Called(uint32_t state, uint32_t callee);
  uint32_t Answered(uint32_t state, uint32_t callee);

  Label last(uint32_t state) const { return states_[state].last; }
  // Log-probability that the next event is `outcome`.
  float LogP(uint32_t state, Outcome outcome) {
    float& p = log_p_[state * stride_p_ + Column(outcome)];
    return std::isnan(p) ? p = model_->LogProbability(states_[state], outcome) : p;
  }
  // The row of the model's rests that tells how near the end is.
  uint32_t RestRow(uint32_t state) {
    uint32_t& row = rest_row_[state];
    return row != kUnknown ? row : row = model_->RestRowOf(states_[state]);
  }
  size_t size() const { return states_.size(); }

 private:
  static constexpr size_t kMaxStates = 20'000;
  static constexpr uint32_t kUnknown = 0xffffffff;

  size_t Column(Outcome outcome) const {
    return outcome >= kEnds ? callees_ + (outcome - kEnds) : outcome;
  }
  uint32_t Intern(RequestState state);
  template <class Advance>
  uint32_t Follow(uint32_t state, size_t column, Advance&& advance);

  const RequestModel* model_ = nullptr;
  size_t callees_ = 0, stride_p_ = 2, stride_next_ = 1;
  std::vector<RequestState> states_;
  std::vector<float> log_p_;
  std::vector<uint32_t> next_, rest_row_;
  std::unordered_map<uint64_t, uint32_t> ids_;
};

}  // namespace weft::plugins::delay
