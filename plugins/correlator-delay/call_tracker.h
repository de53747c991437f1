// CallTracker: gives each call of a timeline to the request that explains it best.
//
// It walks the events of one process in time order. Every open request stands in a state of the
// model; a call's log-hazard for each open request (how likely is this call next, just now, given
// that nothing else happened until now) is weighed against the others', against the rate of calls
// that belong to no request, and with what earlier correlators of the chain said; the best takes the
// call and moves on. This first version commits at once; several hypotheses are its next step.
//
// One instance per correlator instance, reused; nothing is allocated per call in steady state.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/request_model.h"
#include "plugins/correlator-delay/request_states.h"

namespace weft::plugins::delay {

// How often, per callee, a request was served before one that waited longer in the same state:
// event loops and ordered queues do that rarely, thread pools often. Learned while tracking.
struct QueueOrder {
  struct Seen {
    float overtook = 0, in_order = 0;                    // what was decided
    float expected_overtook = 0, expected_in_order = 0;  // what the hazards alone say
  };
  std::vector<Seen> seen = std::vector<Seen>(kMaxNames);

  float OvertakeFactor(uint32_t callee) const;
  void Add(uint32_t callee, bool overtook, float expected_overtook);
  void Fade(float factor);
};

// What the other correlators said about calls of this view: (call row, request row) -> log-odds.
class EarlierVoices {
 public:
  void Take(const weft_candidates& list, uint32_t entries, uint32_t rows);
  bool Has(uint32_t call_row) const { return call_row < head_.size() && head_[call_row] != kNone; }
  // The sum for the pair; +100 where it is fixed by context. `request_row` WEFT_NONE: no parent.
  float For(uint32_t call_row, uint32_t request_row) const;

 private:
  std::vector<uint32_t> head_, next_;
  const weft_candidates* list_ = nullptr;
};

class CallTracker {
 public:
  // One candidate of a call that was decided, for voicing: request kNone is "no request".
  struct Weighed {
    uint32_t call, request;
    float log_odds;  // against the even chance of any open request; timing alone
    bool only;       // no other request was open
  };

  enum class Choice { kBest, kAny };  // kAny: a start for learning, any open request

  // Sets the owner of every call that is not settled, up to `until_ns`, and fills weighed() for
  // those that are wanted.
  void Run(ProcessHistory& history, const RequestModel& model, RequestStates& states,
           QueueOrder& order, const EarlierVoices& voices, Choice choice, int64_t until_ns);

  const std::vector<Weighed>& weighed() const { return weighed_; }
  // How many wanted calls of the last run had more than one open request.
  size_t ambiguous() const { return ambiguous_; }
  // Time with at least one open request in the last run, in microseconds.
  double busy() const { return busy_us_; }

 private:
  struct Event {
    int64_t at;
    uint32_t what, number;
  };
  struct Track {
    uint32_t request, state;
    int64_t at;  // of the last event
  };
  struct Candidate {
    uint32_t track;
    float value;  // log hazard
    bool nested;
  };

  struct Queue {
    size_t members = 0, oldest = 0;
    float hazard = 0;
  };

  void BuildEvents(const ProcessHistory& history, int64_t until_ns);
  void Decide(ProcessHistory& history, uint32_t number);
  void FindCandidates(const ProcessHistory& history, const Call& call);
  Queue QueueOf(size_t i) const;
  void WeighOrder(const Call& call);
  void LearnOrder(const Call& call, uint32_t best);
  uint32_t ChooseAny(const Call& call) const;
  uint32_t ChooseBest(const ProcessHistory& history, const Call& call, float background) const;
  void Report(uint32_t number, float background);
  Track* TrackOf(uint32_t request);
  void Close(uint32_t request);

  const RequestModel* model_ = nullptr;
  RequestStates* states_ = nullptr;
  QueueOrder* order_ = nullptr;
  const EarlierVoices* voices_ = nullptr;
  Choice choice_ = Choice::kBest;
  std::vector<Event> events_;
  std::vector<Track> open_;
  std::vector<uint32_t> position_;  // of a request in open_
  std::vector<Candidate> candidates_;
  std::vector<float> hazard_;  // relative to the greatest, before the queue order was weighed in
  std::vector<Weighed> weighed_;
  double busy_us_ = 0;
  size_t ambiguous_ = 0;
};

}  // namespace weft::plugins::delay
