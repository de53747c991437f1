// CallTracker: gives each call of a process's timeline to the request that explains it best.
//
// It walks the events in time order. Every open request stands in a state of the model; a call's
// log-hazard for each (how likely is this call next, just now, given that nothing happened until
// now) is weighed against the others', against the rate of calls that belong to no request, and
// with what earlier correlators said, and with how well its end follows the call's answer. One
// plausible request: it takes the call and moves on. Several: they become a Cluster, and what
// follows (their next calls, responses, ends) decides. With one hypothesis this is the greedy over
// learned delay patterns.
//
// A call that belongs to no request was made by one that was lost: a supposed request, which then
// makes its next calls like any other, so that what a lost request did stays together and is given
// to nobody else. None is supposed where threads are looked at.
//
// One instance per correlator instance, reused: nothing of a run is left for the next. One thread.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "plugins/correlator-delay/earlier_voices.h"
#include "plugins/correlator-delay/hypotheses.h"
#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/queue_order.h"
#include "plugins/correlator-delay/request_model.h"
#include "plugins/correlator-delay/request_states.h"
#include "plugins/correlator-delay/timeline.h"

namespace weft::plugins::delay {

class CallTracker {
 public:
  // One candidate of a wanted call: request kNone is "no request".
  struct Weighed {
    uint32_t call, request;
    float log_odds;  // against the even chance of any open request
    bool only;       // no other request was open
  };

  enum class Mode {
    kDecide,  // the window's calls; looks ahead only as far as something is undecided
    kSearch   // every unsettled call of the history: a round of a cold start
  };

  // Sets the owner of every unsettled call and fills weighed() for those that are wanted. At most
  // `keep` hypotheses of an ambiguous spot are followed. A search may stop at `until`.
  void Run(ProcessHistory& history, const RequestModel& model, RequestStates& states,
           QueueOrder& order, const EarlierVoices& voices, Mode mode, size_t keep,
           int64_t until = INT64_MAX);

  // The history is another one, or has changed. Due before the first search of it.
  void NewHistory() { timeline_.Forget(); }

  // Whether thread ids are looked at, and whether what they say is believed yet.
  void set_threads(bool use, bool believe) {
    threads_ = use;
    believe_threads_ = believe;
  }

  // Of the last run.
  const std::vector<Weighed>& weighed() const { return weighed_; }
  // Wanted calls that were not weighed because too many requests were open.
  size_t crowded() const { return crowded_; }
  // Calls that were to be decided with more than one open request.
  size_t ambiguous() const { return ambiguous_; }
  // What it took: candidates and hypotheses looked at. The same in every run over the same view.
  uint64_t effort() const { return effort_; }

  // Beyond so many open requests a call is not weighed: its cost grows with them, timing says next
  // to nothing there, and a client that never reads its answers can make them as many as it likes.
  static constexpr size_t kMaxOpen = 256;
  // A cluster with more undecided calls takes its best hypothesis: each event costs as much as they
  // are, and what so many calls have left open the next one will not settle.
  static constexpr size_t kMaxPending = 64;
  static constexpr size_t kMaxMembers = 24;

 private:
  struct Track {
    uint32_t request, cluster;  // kNone: in no cluster
    TrackState track;           // where in none
  };
  struct Candidate {
    uint32_t open = 0;  // index into open_
    const TrackState* track = nullptr;
    Label last = 0;  // of the track
    bool nested = false;
    float hazard = 0;  // log; in a cluster the best over its hypotheses
    float bonus = 0;   // other correlators, not nested
    float order = 0;   // order of the queue, threads
    float rest = 0;    // what its end says
    float value() const { return hazard + bonus + order + rest; }
  };
  // A candidate that matters for the order.
  struct Due {
    uint32_t candidate, queue, request;
    int64_t at;
    float hazard;  // relative to the others'
    friend bool Older(const Due& a, const Due& b) {
      return a.at != b.at ? a.at < b.at : a.request < b.request;
    }
  };
  // The requests whose last event was the same: they wait in one place.
  struct Queue {
    Label last;
    Due oldest;
  };
  // That no request made the call: then one did that was lost, and may make more.
  struct Background {
    float value;  // log rate
    bool plausible = false;
    uint32_t request = kNone;  // the one that is supposed then; kNone: none is
  };
  struct ThreadStream {
    int64_t run_began = 0, previous = 0;
    uint16_t inputs = 0, outputs = 0;
  };

  void Walk(size_t from, size_t to);
  void FindPlaces();
  void OnBegin(uint32_t request);
  uint32_t SupposeRequest(const Call& call);
  void ForgetSupposed(int64_t now);
  bool Supposed(uint32_t request) const { return request >= history_->requests.size(); }
  size_t OpenRequests() const { return open_.size() - supposed_open_; }
  void OnCall(uint32_t number);
  float LogBackground(uint32_t callee) const;
  void OnResponse(uint32_t number, int64_t at);
  void OnEnd(uint32_t request, int64_t at);
  void WeighClusters(int64_t now);
  void FindCandidates(const Call& call, bool all);
  bool Nested(const TrackState& track, const Call& call) const;
  void AddCandidate(uint32_t open, const Call& call, float hazard);
  float RestGain(const TrackState& track, const Call& call);
  float HazardOf(const TrackState& track, Outcome outcome, int64_t at);
  Stand StandOf(size_t i, const Place& output) const;
  float Continuity(size_t i, Outcome outcome, const Place& output) const;
  void LearnStands(Outcome outcome, const Place& output, size_t owner);
  void LearnStandsOf(const PendingCall& pending, uint32_t owner);
  void AddBonuses(const Call& call);
  void FindQueues();
  float ShareInTurn(const Due& mine) const;
  float OrderBonus(size_t i) const;
  void Follow(Candidate& candidate, const TrackState& track) {
    candidate.track = &track;
    candidate.last = states_->last(track.state);
  }
  void WeighOrder(Outcome outcome);
  void WeighChoices(uint32_t cluster, const Call& call, const Background& background);
  void NoteWaiters(PendingCall& pending);
  void LearnOrder(const PendingCall& pending, uint32_t owner);
  void SetRelativeHazards();
  void WeighEnd(uint32_t request);
  size_t FindBest() const;
  float Plausible() const;  // nats behind the best
  void FindPlausible(float top);
  PendingCall NewPending(uint32_t number, float top, const Background& background);
  void Decide(uint32_t number, Background background);
  uint32_t JoinPlausible(uint32_t supposed);
  void Join(uint32_t home, Track& track);
  void Branch(const PendingCall& pending, const Background& background);
  void Commit(const PendingCall& pending, uint32_t owner);
  void AfterChange(uint32_t cluster, int64_t now);
  void Absorb(uint32_t cluster);
  uint32_t NewCluster();
  Track* TrackOf(uint32_t request);
  void Close(uint32_t request);

  size_t keep_ = 8;
  bool threads_ = false, believe_threads_ = false;
  ProcessHistory* history_ = nullptr;
  const RequestModel* model_ = nullptr;
  RequestStates* states_ = nullptr;
  QueueOrder* order_ = nullptr;
  const EarlierVoices* voices_ = nullptr;
  Mode mode_ = Mode::kDecide;

  Timeline timeline_;
  std::vector<Track> open_;
  std::vector<uint32_t> position_;         // of a request in open_
  std::vector<uint32_t> cluster_of_call_;  // of a pending call; kNone: decided or not seen yet
  std::vector<Cluster> clusters_;
  std::vector<uint32_t> free_clusters_;
  size_t used_clusters_ = 0;
  std::vector<float> hazards_;  // by open request, of those in no cluster
  std::vector<Candidate> candidates_;
  std::vector<Due> due_;
  std::vector<float> relative_hazard_, share_;  // by candidate
  float order_norm_ = 1;
  std::vector<Queue> queues_;
  std::vector<float> factors_;   // by two of the queues
  std::vector<Waiter> waiters_;  // of all pending calls of the run
  std::vector<uint32_t> plausible_;
  std::vector<Choice> choices_;
  std::vector<uint32_t> member_of_;        // of the cluster that is weighed; by candidate
  std::vector<float> end_bonus_;           // by hypothesis
  std::vector<Alternative> alternatives_;  // of all pending calls of the run
  std::vector<Stand> stands_;              // the same, where threads are looked at
  std::unordered_map<uint32_t, ThreadStream> threads_seen_;
  std::vector<Weighed> weighed_;
  size_t wanted_pending_ = 0, ambiguous_ = 0, crowded_ = 0;
  uint64_t effort_ = 0;
  uint32_t unseen_ = 0;  // the state of a request that is supposed, before its first call
  size_t supposed_open_ = 0;
};

}  // namespace weft::plugins::delay
