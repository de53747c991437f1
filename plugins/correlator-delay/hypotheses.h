// Cluster: a few open requests whose recent calls cannot be told apart yet, with the hypotheses
// about who made which. Independent ambiguities live in independent clusters, so their number adds
// up instead of multiplying.
//
// A hypothesis is a state for every member and an owner for every pending call. Its score is the
// log-likelihood of what the members did since the cluster was made; compared at one moment, the
// survival of what is still open is added. A hypothesis that loses leaves its mass with the calls
// on which it differed from the winner, so that a decision knows how sure it is.
//
// CallTracker drives it: (Join | Merge)* Weigh Branch, then Answer, Follow, End as events come;
// after each, Settle drops losers and says what is decided. Hypotheses are pooled: nothing is
// allocated once a cluster has been used. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/request_states.h"

namespace weft::plugins::delay {

struct TrackState {
  uint32_t state = 0;
  float rest = 0;                // log-likelihood of the time between `until` and `end`
  int64_t at = 0;                // of the last event
  int64_t until = 0;             // when the last of its calls so far is answered
  int64_t end = 0;               // of the request; 0: not known; kUnseen: nor will it be
  const Place* place = nullptr;  // of the last event; null: threads are not looked at

  static constexpr int64_t kUnseen = -1;  // a request that was lost on its way here

  bool EndKnown() const { return end != 0 && end != kUnseen; }
  void FindRest(const RequestModel& model, RequestStates& states);
  void Take(const Call& call, const RequestModel& model, RequestStates& states);
  void Answer(uint32_t callee, int64_t now, const Place* where, RequestStates& states) {
    state = states.Answered(state, callee);
    at = now;
    place = where;
  }
  float LogSurvival(int64_t now, const RequestModel& model, const RequestStates& states) const {
    if (now <= at || end == kUnseen) return 0;
    return model.LogSurvival(states.last(state), model.bins().Of(now - at));
  }
  friend bool operator==(const TrackState& a, const TrackState& b) {
    return a.state == b.state && a.at == b.at;
  }
};

struct Alternative {
  uint32_t owner;  // request; kNone: no request
  float mass;      // relative to the owner that was chosen
};

// A call whose owner is not decided. Its alternatives are in the tracker's list.
struct PendingCall {
  uint32_t call = kNone;
  uint16_t callee = 0;
  uint32_t candidates = 0;
  int64_t end_ns = 0;         // 0: not known
  uint32_t supposed = kNone;  // the request that is there only if it made this call
  uint32_t first = 0, count = 0;
  uint32_t first_waiter = 0, waiters = 0;  // likewise, of the tracker's
};

struct Hypothesis {
  float score = 0, total = 0;
  std::vector<TrackState> tracks;  // by member
  std::vector<uint32_t> owners;    // by pending call
};

// One way on from a hypothesis: this member (kNone: no request) takes the call.
struct Choice {
  uint32_t member;
  uint32_t request;
  bool first;   // what the member is known by: nothing is expected of it before
  float bonus;  // beyond the model's: other voices, order of the queue, background rate
};

class Cluster {
 public:
  void Reset();
  bool empty() const { return members_.empty() && pending_.empty(); }

  void Join(uint32_t request, const TrackState& track);
  void Merge(Cluster& other, size_t keep, std::vector<Alternative>& alternatives);
  uint32_t MemberOf(uint32_t request) const;  // kNone: not here

  // Brings the totals to `now`.
  void Weigh(int64_t now, const RequestModel& model, const RequestStates& states);
  // The call is taken by one of the choices: as many for each hypothesis, in their order.
  // Requires: weighed at the call's begin.
  void Branch(const PendingCall& pending, const Call& call, std::span<const Choice> choices,
              const RequestModel& model, RequestStates& states, size_t keep,
              std::vector<Alternative>& alternatives);
  // A call whose owner is known.
  void Follow(uint32_t member, const Call& call, const RequestModel& model, RequestStates& states);
  // The response of a call: of a pending one, or of a member's.
  void Answer(uint32_t call, uint32_t member, uint16_t callee, int64_t at, const Place* place,
              RequestStates& states);
  // `bonus`: of each hypothesis, beyond the model's.
  void End(uint32_t member, int64_t at, const std::vector<float>& bonus, const RequestModel& model,
           RequestStates& states);

  // Drops what has lost by `now`, at most `keep` stay; then agreed calls are in decided() with
  // their owners, and members on which all agree in released(). Both lists are of this call.
  void Settle(int64_t now, size_t keep, const RequestModel& model, const RequestStates& states,
              std::vector<Alternative>& alternatives);
  // Decides everything by the best hypothesis.
  void Force(int64_t now, const RequestModel& model, const RequestStates& states,
             std::vector<Alternative>& alternatives);

  struct Decided {
    PendingCall call;
    uint32_t owner;
  };
  struct Released {
    uint32_t request;
    TrackState track;
  };
  std::vector<Decided>& decided() { return decided_; }
  std::vector<Released>& released() { return released_; }

  const std::vector<uint32_t>& members() const { return members_; }
  const std::vector<PendingCall>& pending() const { return pending_; }
  // Best first after Settle.
  std::span<const Hypothesis> hypotheses() const { return {hypotheses_.data(), n_}; }

 private:
  struct Way {
    uint32_t hypothesis, choice;
    float score, total;
  };
  Hypothesis& Next();
  void SortByTotal();
  void Lose(const Hypothesis& loser, const Hypothesis& winner, std::vector<Alternative>& out) const;
  bool SameFuture(const Hypothesis& a, const Hypothesis& b, int64_t now) const;
  bool InFlight(const PendingCall& call, int64_t now) const {
    return call.end_ns == 0 || call.end_ns > now;
  }
  void DecideAgreed();
  void ReleaseAgreed(int64_t now, std::vector<Alternative>& alternatives);
  void KeepBest(std::vector<Alternative>& alternatives);
  void Remove(uint32_t member);

  std::vector<uint32_t> members_;  // requests
  std::vector<PendingCall> pending_;
  std::vector<Hypothesis> hypotheses_, next_;  // the first n_, next_n_ are in use
  size_t n_ = 1, next_n_ = 0;
  std::vector<Way> ways_;
  std::vector<TrackState> after_;  // by choice
  std::vector<float> still_;       // by member of the first hypothesis: log survival
  std::vector<Decided> decided_;
  std::vector<Released> released_;
};

}  // namespace weft::plugins::delay
