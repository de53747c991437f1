// RequestStates: the states of a RequestModel as small numbers, with their transitions and
// log-probabilities remembered, so that following a request costs two array reads.
//
// A memo and nothing else: what it answers depends on the model alone. Refresh is due when the
// model was rebuilt or the number of callees has grown; numbers are valid until then. One thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/request_model.h"

namespace weft::plugins::delay {

class RequestStates {
 public:
  // Forgets all.
  void Clear(const RequestModel& model, uint32_t callees);
  // Forgets probabilities; numbers and transitions stay unless there are many, or new callees.
  void Refresh(const RequestModel& model, uint32_t callees);
  size_t callees() const { return callees_; }

  uint32_t Start(uint32_t operation);
  uint32_t Unseen() { return Intern(RequestState::Begun(RequestState::kUnseen)); }
  uint32_t Called(uint32_t state, uint32_t callee) {
    const uint32_t known = next_[state * stride_next_ + callee];
    return known != kNone ? known : FindCalled(state, callee);
  }
  uint32_t Answered(uint32_t state, uint32_t callee) {
    const uint32_t known = next_[state * stride_next_ + callees_ + callee];
    return known != kNone ? known : FindAnswered(state, callee);
  }

  Label last(uint32_t state) const { return states_[state].last; }
  const RequestState& operator[](uint32_t state) const { return states_[state]; }
  // Log-probability that the next event is `outcome`.
  float LogP(uint32_t state, Outcome outcome) {
    float& p = log_p_[state * stride_p_ + Column(outcome)];
    return p <= 0 ? p : p = model_->LogProbability(states_[state], context_rows_[state], outcome);
  }
  // The row of the model's rests that tells how near the end is.
  uint32_t RestRow(uint32_t state) {
    uint32_t& row = rest_row_[state];
    return row != kNone ? row : row = model_->RestRowOf(states_[state]);
  }
  // For the model whose states these are.
  RequestModel::ContextRows& ContextRowsOf(uint32_t state) { return context_rows_[state]; }
  // So many that they should go before the next window.
  bool crowded() const { return log_p_.size() + next_.size() > kManyEntries; }

 private:
  static constexpr size_t kManyEntries = 200'000;  // 0.8 MB
  static constexpr float kUnknown = 1;

  size_t Column(Outcome outcome) const {
    return outcome >= kEnds ? callees_ + (outcome - kEnds) : outcome;
  }
  uint32_t Intern(const RequestState& state);
  void Grow(size_t slots);
  uint32_t FindCalled(uint32_t state, uint32_t callee);
  uint32_t FindAnswered(uint32_t state, uint32_t callee);

  const RequestModel* model_ = nullptr;
  size_t callees_ = 0, stride_p_ = 2, stride_next_ = 1;
  std::vector<RequestState> states_;
  std::vector<RequestModel::ContextRows> context_rows_;
  std::vector<float> log_p_;
  std::vector<uint32_t> next_, rest_row_, start_;
  std::vector<uint64_t> keys_;  // open addressing: hash of a state, 0: free
  std::vector<uint32_t> ids_;
};

}  // namespace weft::plugins::delay
