// ProcessHistory: the requests of one process that can still matter (open, or not yet learned from)
// and their calls, carried from window to window.
//
// Per window: Take(view) ... the owners are set ... Settle(). Rows of the view are mapped to
// entries by exchange, so a span that is seen again is brought up to date and a process that moves
// here from another shard is rebuilt from the view's BEFORE rows. Numbers of requests and calls are
// valid until Settle. One thread; nothing is allocated in steady state.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "plugins/correlator-delay/request_state.h"
#include "plugins/correlator-delay/thread_continuity.h"

namespace weft::plugins::delay {

struct Request {
  uint64_t exchange = 0, span_id = 0;
  int64_t start_ns = 0, end_ns = 0;  // end 0: still open
  uint32_t row = kNone;              // in the view; kNone: not in it
  uint16_t operation = 0;
  bool ahead = false;                         // began after the window: gone at Settle
  uint32_t begin_thread = 0, end_thread = 0;  // that read it, that answered; 0: not known
  Place begin_place{}, end_place{};
};

struct Call {
  uint64_t exchange = 0;
  int64_t start_ns = 0, end_ns = 0;
  uint32_t row = kNone;
  uint32_t owner = kNone;  // request; kNone: none or not known
  uint16_t callee = 0;
  bool settled = false;  // the owner is known for sure: never decided again
  bool ahead = false;
  bool wanted = false;     // the window asks for its owner
  bool contested = false;  // a request was open when it began
  bool stray = false;      // and yet none of those made it, as far as can be told
  uint32_t begin_thread = 0, end_thread = 0;
  Place begin_place{}, end_place{};
};

// Small numbers for names, stable for the life of a process: hash of the name -> number.
class NameNumbers {
 public:
  uint16_t Of(uint64_t name_hash);
  uint32_t size() const { return static_cast<uint32_t>(hashes_.size()); }
  const std::vector<uint64_t>& hashes() const { return hashes_; }
  void Assign(std::vector<uint64_t> hashes) { hashes_ = std::move(hashes); }

 private:
  std::vector<uint64_t> hashes_;
};

class ProcessHistory {
 public:
  void Take(const weft_spans& view);
  // Drops requests for which `done(request)` is true (with their calls), everything that was ahead,
  // and calls whose owner is gone or that have none.
  template <class Done>
  void Settle(Done&& done);
  void Clear();
  // Whether everything that the request did lies before the end of the last window.
  bool Finished(const Request& r) const { return r.end_ns != 0 && r.end_ns <= decided_until; }

  std::vector<Request> requests;
  std::vector<Call> calls;
  NameNumbers operations, callees;
  std::vector<uint32_t> call_of_row;  // of the view; kNone where the row is no call
  std::vector<uint32_t> request_of_row;
  int64_t window_begin = 0, window_end = 0;  // earliest and latest start of the calls to decide
  int64_t decided_until = 0;  // latest start of the rows to decide: what began earlier is in view

 private:
  void ResetIndex(size_t entries);
  uint32_t* Slot(uint64_t key);
  uint32_t Known(uint64_t key) const;  // kNone: not in the index
  uint64_t HashOf(const weft_spans& view, uint32_t string);
  void TakeRequest(const weft_spans& view, uint32_t row, uint8_t role);
  void TakeCall(const weft_spans& view, uint32_t row, uint8_t role);
  void Drop(const std::vector<uint32_t>& new_number);

  std::vector<uint64_t> index_keys_;  // exchange, or span id with a mark, -> number
  std::vector<uint32_t> index_values_;
  std::vector<uint64_t> string_hash_;
  std::vector<uint32_t> new_number_;
};

template <class Done>
void ProcessHistory::Settle(Done&& done) {
  new_number_.assign(requests.size(), kNone);
  uint32_t kept = 0;
  for (uint32_t r = 0; r < requests.size(); ++r)
    if (!requests[r].ahead && !done(requests[r])) new_number_[r] = kept++;
  Drop(new_number_);
}

}  // namespace weft::plugins::delay
