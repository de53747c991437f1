// Cluster: a few open requests whose recent calls cannot be told apart yet, with the hypotheses
// about who made which. Independent ambiguities live in independent clusters, so their number adds
// up instead of multiplying.
//
// A hypothesis is a state for every member and an owner for every pending call. Its score is the
// log-likelihood of what the members did since the cluster was made; compared at one moment, the
// survival of what is still open is added. A hypothesis that loses leaves its mass with the calls
// on which it differed from the winner, so that a decision knows how sure it is.
//
// CallTracker drives it: (Join | Merge)* Branch, then Answer, Follow, End as events come; after
// each, Settle drops losers and says what is decided. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/queue_order.h"
#include "plugins/correlator-delay/request_model.h"
#include "plugins/correlator-delay/request_states.h"

namespace weft::plugins::delay {

struct TrackState {
  uint32_t state = 0;
  int64_t at = 0;                // of the last event
  const Place* place = nullptr;  // of the same; null: threads are not looked at
  int64_t end = 0;               // of the request; 0: not known
  int64_t until = 0;             // when the last of its calls so far is answered
  float rest = 0;                // log-likelihood of that much time between the two

  void FindRest(const RequestModel& model, RequestStates& states);
  void Take(const Call& call, const RequestModel& model, RequestStates& states);
  friend bool operator==(const TrackState& a, const TrackState& b) {
    return a.state == b.state && a.at == b.at;
  }
};

struct Alternative {
  uint32_t owner;  // request; kNone: no request
  float mass;      // relative to the owner that was chosen
  Stand stand{};   // where it stood when the call began
};

struct PendingCall {
  uint32_t call = kNone;
  uint16_t callee = 0;
  int64_t end_ns = 0;  // 0: not known
  uint32_t candidates = 0;
  std::vector<Alternative> alternatives;

  void Add(uint32_t owner, float mass);
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
  float
      bonus;  // beyond the model's: other correlators' voices, order of the queue, background rate
};

class Cluster {
 public:
  void Reset();
  bool empty() const { return members_.empty() && pending_.empty(); }

  void Join(uint32_t request, TrackState track);
  void Merge(Cluster& other, size_t keep);
  uint32_t MemberOf(uint32_t request) const;  // kNone: not here

  // The call is taken by one of the choices: as many for each hypothesis, in their order.
  void Branch(PendingCall call, const Call& info, const std::vector<Choice>& choices,
              const RequestModel& model, RequestStates& states, size_t keep);
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
  void Settle(int64_t now, size_t keep, const RequestModel& model, const RequestStates& states);
  // Decides everything by the best hypothesis.
  void Force(int64_t now, const RequestModel& model, const RequestStates& states);

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
  const std::vector<Hypothesis>& hypotheses() const { return hypotheses_; }

 private:
  void Weigh(int64_t now, const RequestModel& model, const RequestStates& states);
  void Lose(const Hypothesis& loser, const Hypothesis& winner);
  bool SameFuture(const Hypothesis& a, const Hypothesis& b, int64_t now) const;
  bool InFlight(const PendingCall& call, int64_t now) const {
    return call.end_ns == 0 || call.end_ns > now;
  }
  void DecideAgreed();
  void ReleaseAgreed(int64_t now);
  void Remove(uint32_t member);

  std::vector<uint32_t> members_;  // requests
  std::vector<PendingCall> pending_;
  std::vector<Hypothesis> hypotheses_;  // best first after Settle
  std::vector<Hypothesis> next_;        // scratch
  std::vector<Decided> decided_;
  std::vector<Released> released_;
};

}  // namespace weft::plugins::delay
