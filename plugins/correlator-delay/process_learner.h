// ProcessLearner: everything the delay correlator knows of one process, and how it comes to know
// it.
//
// Cold: the first kWarmUp finished requests are kept; each window searches over all of them again,
// counting and deciding in turns (the decisions start anywhere), so that the first windows are
// already decided by what they have in common. Warm: requests are learned from once, when they have
// left the view, with the owners that the engine decided on; every later decision uses only that.
//
// Decide, then Learned for the same view. One thread; an instance per process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/correlator-delay/call_tracker.h"
#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/request_model.h"
#include "plugins/correlator-delay/request_states.h"

namespace weft::plugins::delay {

class ProcessLearner {
 public:
  // Decides the view's calls as far as timing goes; the voices are in tracker.weighed().
  void Decide(const weft_spans& view, const EarlierVoices& voices, CallTracker& tracker);
  // What the engine made of it.
  void Learned(const weft_links& links);

  const ProcessHistory& history() const { return history_; }
  bool cold() const { return !warm_; }

 private:
  friend class StateCodec;
  bool SearchIsDue() const;
  void Search(const EarlierVoices& voices, CallTracker& tracker);
  void FindQuantum();
  void LearnRequests(RequestModel& model, bool only_finished);
  void LearnFinished();
  void Refresh();
  bool Finished(const Request& r) const { return r.row == kNone && r.end_ns != 0; }

  struct Step {
    uint32_t request;
    int64_t at;
    uint32_t what;
    uint16_t callee;
    int64_t until;  // of a call: its response; 0: not known
  };

  ProcessHistory history_;
  RequestModel model_, scratch_;
  RequestStates states_;
  QueueOrder order_;
  std::vector<Step> steps_;
  std::vector<uint32_t> owners_before_;
  int64_t busy_until_ = INT64_MIN;
  bool warm_ = false;
  bool threads_ = false;
  size_t searched_requests_ = 0;  // cold: in the last search
  bool quantum_known_ = false;
  uint32_t callees_in_states_ = 0;
  uint32_t since_refresh_ = 0, since_fade_ = 0;

  static constexpr size_t kWarmUp = 100;          // requests
  static constexpr size_t kWarmUpCalls = 20'000;  // a bound on what is searched again
};

}  // namespace weft::plugins::delay
