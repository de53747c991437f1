#include "plugins/correlator-delay/request_states.h"

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
  start_.assign(kMaxNames, kNone);
  ids_.clear();
}

uint32_t RequestStates::Intern(const RequestState& state) {
  const auto [found, added] = ids_.try_emplace(state.Hash(), static_cast<uint32_t>(states_.size()));
  if (added) {
    states_.push_back(state);
    rest_row_.push_back(kNone);
    log_p_.resize(log_p_.size() + stride_p_, kUnknown);
    next_.resize(next_.size() + stride_next_, kNone);
  }
  return found->second;
}

uint32_t RequestStates::Start(uint32_t operation) {
  uint32_t& start = start_[operation];
  if (start == kNone) start = Intern(RequestState::Begun(operation));
  return start;
}

uint32_t RequestStates::FindCalled(uint32_t state, uint32_t callee) {
  RequestState following = states_[state];
  following.Call(callee);
  const uint32_t id = Intern(following);
  return next_[state * stride_next_ + callee] = id;
}

uint32_t RequestStates::FindAnswered(uint32_t state, uint32_t callee) {
  RequestState following = states_[state];
  following.Answer(callee);
  const uint32_t id = Intern(following);
  return next_[state * stride_next_ + callees_ + callee] = id;
}

}  // namespace weft::plugins::delay
