// ColdSearch: decides and learns at once, while there is nothing learned to decide by.
//
// Over all that is in the history: count what the requests did with the owners that the calls have,
// decide anew, and so on until nothing changes. Where a search is due, twice: once from the owners
// that earlier windows found, once from a FirstGuess. The likelier of the two stays: one alone may
// be stuck in an explanation that confirms itself.
//
// Leaves a model of the whole history behind, which decides until there is more to count. One
// thread.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/call_tracker.h"
#include "plugins/correlator-delay/first_guess.h"
#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/request_walk.h"

namespace weft::plugins::delay {

class ColdSearch {
 public:
  // What the search works on; all of it belongs to the learner.
  struct Scene {
    ProcessHistory& history;
    RequestModel& model;
    RequestStates& states;
    QueueOrder& order;
    const EarlierVoices& voices;
    CallTracker& tracker;
    size_t hypotheses;
  };
  // The view's calls are decided: the voices are in tracker.weighed().
  void Decide(const Scene& scene);
  // What was counted was in another order of events.
  void Recount(RequestModel& model) {
    if (counted_until_ != INT64_MIN || searched_requests_ > 0) model.Clear();
    counted_until_ = INT64_MIN;
  }

 private:
  friend class StateCodec;
  bool IsDue(const ProcessHistory& history) const;
  void Search(const Scene& scene);
  void Guess(const Scene& scene);
  void SettleDown(const Scene& scene, bool guessed);
  double Likelihood(const Scene& scene);
  void Count(const Scene& scene);
  void SupposeStrays(const Scene& scene, bool any);
  void CountDecided(const Scene& scene);
  void CountBehind(const Scene& scene);
  void ChooseSample(const ProcessHistory& history);
  void SortCalls(const ProcessHistory& history, int64_t until = INT64_MIN);

  int64_t sample_until_ = INT64_MAX;                       // of the rounds of a search
  uint32_t searched_requests_ = 0, searched_callees_ = 0;  // in the last search
  uint32_t settled_requests_ = 0;                          // when all was last looked at
  int64_t decided_until_ = INT64_MIN;                      // the end of the last window
  // What the model counts: requests that ended until then, and nothing else; INT64_MIN: something
  // else.
  int64_t counted_until_ = INT64_MIN;

  RequestWalk walk_;
  std::vector<std::vector<DoneCall>> calls_of_;  // by request
  std::vector<uint32_t> owners_before_, owners_;
  std::vector<int64_t> begins_;
};

}  // namespace weft::plugins::delay
