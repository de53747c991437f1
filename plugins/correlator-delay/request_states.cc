#include "plugins/correlator-delay/request_states.h"

#include <algorithm>

namespace weft::plugins::delay {

void RequestStates::Clear(const RequestModel& model, uint32_t callees) {
  model_ = &model;
  callees_ = callees;
  stride_p_ = callees_ + 2;
  stride_next_ = 2 * callees_;
  states_.clear();
  context_rows_.clear();
  log_p_.clear();
  next_.clear();
  rest_row_.clear();
  start_.assign(kMaxNames, kNone);
  Grow(64);
}

void RequestStates::Refresh(const RequestModel& model, uint32_t callees) {
  if (&model != model_ || callees != callees_ || crowded()) return Clear(model, callees);
  std::ranges::fill(log_p_, kUnknown);
  std::ranges::fill(rest_row_, kNone);
}

uint32_t RequestStates::Intern(const RequestState& state) {
  if (2 * states_.size() >= keys_.size()) Grow(2 * keys_.size());
  const uint64_t key = state.Hash() | 1;
  const size_t mask = keys_.size() - 1;
  size_t i = (key >> 8) & mask;
  while (keys_[i] != 0 && keys_[i] != key) i = (i + 1) & mask;
  if (keys_[i] == key) return ids_[i];
  keys_[i] = key;
  ids_[i] = static_cast<uint32_t>(states_.size());
  states_.push_back(state);
  context_rows_.emplace_back();
  rest_row_.push_back(kNone);
  log_p_.resize(log_p_.size() + stride_p_, kUnknown);
  next_.resize(next_.size() + stride_next_, kNone);
  return ids_[i];
}

void RequestStates::Grow(size_t slots) {
  keys_.assign(slots, 0);
  ids_.assign(slots, 0);
  for (uint32_t id = 0; id < states_.size(); ++id) {
    const uint64_t key = states_[id].Hash() | 1;
    size_t i = (key >> 8) & (slots - 1);
    while (keys_[i] != 0) i = (i + 1) & (slots - 1);
    keys_[i] = key;
    ids_[i] = id;
  }
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
