// ProcessLearner: everything the delay correlator knows of one process, and how it comes to know
// it.
//
// Cold: all is kept until kWarmUp requests have finished, and ColdSearch decides. Warm: a finished
// request waits for the next batch; then the batch is counted with the owners that the engine
// decided on. Every later decision uses only that.
//
// Decide, then Learned or Withdrawn for the same view. What it does depends on views and links
// alone, and StateCodec saves all of it: a copy made from saved state goes on like the original,
// bit by bit. One thread; an instance per process. It holds at most 2 MB, saved at most 256 KB.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/call_tracker.h"
#include "plugins/correlator-delay/cold_search.h"
#include "plugins/correlator-delay/process_history.h"
#include "plugins/correlator-delay/request_model.h"
#include "plugins/correlator-delay/request_states.h"
#include "plugins/correlator-delay/request_walk.h"

namespace weft::plugins::delay {

class ProcessLearner {
 public:
  // Decides the view's calls as far as timing goes; the voices are in tracker.weighed().
  void Decide(const weft_spans& view, const EarlierVoices& voices, CallTracker& tracker,
              size_t hypotheses);
  // What the engine made of it.
  void Learned(const weft_links& links);
  // Decide threw or was not heard: the history begins anew; what is open comes with later views.
  void Withdrawn() { history_.Clear(); }

  const ProcessHistory& history() const { return history_; }
  bool cold() const { return !warm_; }
  // The windows take more than the process may: fewer hypotheses are followed until they do not.
  bool behind() const { return slower_ > 0; }

  static constexpr size_t kWarmUp = 200;         // requests
  static constexpr size_t kWarmUpSpans = 2'500;  // a bound on what is searched again
  static constexpr size_t kMaxHeld = 1'200;      // requests and calls between two warm windows

 private:
  friend class StateCodec;

  void FindQuantum();
  void Attribute(const weft_links& links);
  bool WarmedUp() const;
  void QueueFinished();
  void CountWaiting();
  void Refresh();
  void Bound();
  size_t KeepOf(size_t hypotheses) const;
  void NoteEffort(uint64_t effort);
  void CountBusy(const Request& request);
  void TimeHistory();

  ProcessHistory history_;
  RequestModel model_;
  RequestStates states_;
  QueueOrder order_;
  ColdSearch search_;
  // Finished requests that wait to be counted, and their calls.
  std::vector<DoneRequest> waiting_;
  std::vector<DoneCall> waiting_calls_;
  int64_t busy_until_ = INT64_MIN;
  int64_t effort_until_ = INT64_MIN;
  bool warm_ = false;
  bool threads_ = false;
  bool quantum_known_ = false;
  uint32_t refreshed_callees_ = 0;
  uint32_t since_fade_ = 0;
  uint32_t slower_ = 0;  // the hypotheses are halved so often

  RequestWalk walk_;
  std::vector<std::vector<DoneCall>> calls_of_;
};

}  // namespace weft::plugins::delay
