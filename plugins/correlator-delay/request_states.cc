#include "plugins/correlator-delay/request_states.h"

#include <limits>

namespace weft::plugins::delay {

void RequestStates::Clear(const RequestModel& model, uint32_t callees) {
  model_ = &model;
  callees_ = callees;
  stride_p_ = callees_ + 2;
  stride_next_ = 2 * callees_;
  states_.clear();
  log_p_.clear();
  next_.clear();
  rest_row_.clear();
  ids_.clear();
}

uint32_t RequestStates::Intern(RequestState state) {
  if (states_.size() >= kMaxStates) state.called = 0;
  const uint64_t place = uint64_t{state.operation} << 32 | uint64_t{state.last} << 16 | state.open;
  const uint64_t calls = uint64_t{state.previous} << 16 | state.before_previous;
  const uint64_t key = Join(Join(place, calls), state.called);
  const auto [found, added] = ids_.try_emplace(key, static_cast<uint32_t>(states_.size()));
  if (added) {
    states_.push_back(state);
    rest_row_.push_back(kUnknown);
    log_p_.resize(log_p_.size() + stride_p_, std::numeric_limits<float>::quiet_NaN());
    next_.resize(next_.size() + stride_next_, kUnknown);
  }
  return found->second;
}

template <class Advance>
uint32_t RequestStates::Follow(uint32_t state, size_t column, Advance&& advance) {
  if (const uint32_t known = next_[state * stride_next_ + column]; known != kUnknown) return known;
  RequestState following = states_[state];
  advance(following);
  const uint32_t id = Intern(following);
  return next_[state * stride_next_ + column] = id;
}

uint32_t RequestStates::Called(uint32_t state, uint32_t callee) {
  return Follow(state, callee, [callee](RequestState& s) { AdvanceCall(s, callee); });
}

uint32_t RequestStates::Answered(uint32_t state, uint32_t callee) {
  return Follow(state, callees_ + callee,
                [callee](RequestState& s) { AdvanceResponse(s, callee); });
}

}  // namespace weft::plugins::delay
