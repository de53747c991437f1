// Timeline: the events of a process's history in time order.
//
// Times are seen late now and then. So what a process read (a request, a response) stands `slack`
// before its time and the end of a request behind it: else a late response would follow the call
// that it led to. Gaps are taken between the times as they were seen.
//
// At one instant a request begins before the calls it makes, a response comes before the next call,
// a request ends last; events of one kind come in the order of the history. One thread; reused.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/process_history.h"

namespace weft::plugins::delay {

class Timeline {
 public:
  enum What : uint32_t { kBegin, kResponse, kCall, kInstantResponse, kEnd };
  struct Event {
    int64_t at;
    uint32_t what, number;  // of a request or a call
  };

  // Events up to `until`, in order; More adds the later ones. Without those of requests that ended
  // before `from`. A whole history is not taken twice in a row: owners do not matter then.
  void Take(const ProcessHistory& history, int64_t from, int64_t until, int64_t slack_ns);
  void More();
  // The history is another one, or has changed.
  void Forget() { whole_ = false; }
  const std::vector<Event>& events() const { return events_; }

 private:
  struct Packed {
    uint64_t key;  // time since the first event, kind, low bits of the number
    uint32_t number;
  };
  void Add(int64_t at, What what, uint32_t number);
  void Sort(std::vector<Event>& events);

  std::vector<Event> events_, later_;
  std::vector<Packed> packed_;
  int64_t until_ = 0, slack_ns_ = 0;
  bool whole_ = false;
};

}  // namespace weft::plugins::delay
