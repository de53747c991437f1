// OpenTraces: the traces that are not decided yet, and when each is to be closed.
//
// A trace is ready when its local roots have ended and no span of it is open; it is due when the
// spans watermark has passed the time of its latest root. An open span delays that by at
// most `open_grace_ns`. A trace that programs reported, without a root, is due after `wait_ns` of
// silence. A trace over its time, span or byte budget is due as it is, marked.
//
// Time is how far its sender had read the log when it said so (SpanBatch::inputNs), and how far all
// have is the watermark: a backlog closes its traces as they would have been closed then. Only
// where the watermark stands still, real time ends it (`patience_ns`). One owner, one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "engine/api/ids.h"
#include "engine/trace/decided_traces.h"
#include "engine/trace/span_buffer.h"
#include "engine/trace/trace_index.h"

namespace weft::trace {

struct CloseRules {
  int64_t max_age_ns = 60'000'000'000;
  uint32_t max_spans = 100'000;
  size_t max_bytes = size_t{64} << 20;
  int64_t open_grace_ns = 10'000'000'000;
  // After its root has ended, for spans that programs report themselves, later.
  int64_t wait_ns = 0;
  int64_t patience_ns = 600'000'000'000;  // of real log time
  int64_t survive_ns = 4'000'000'000;     // rows of older traces move out of records mostly done
};

struct OpenTrace {
  api::TraceId id;
  RowRef newest = kNoRow;
  int64_t first_append_ns = 0;
  int64_t last_ns = 0, root_ns = 0;  // input times
  uint64_t bytes = 0;
  uint32_t spans = 0;     // rows
  uint32_t ended = 0;     // of those: of ended spans
  uint32_t version = 0;   // of the slot: entries of the queues outlive traces
  bool root = false;      // a root was seen
  bool reported = false;  // a span was made by its program's SDK
  bool due = false, deadline = false, queued = false;
  std::optional<Verdict> verdict;  // restored from the log: not to be decided again
  struct OpenSpan {
    uint64_t span_id;
    bool root;
  };
  std::unique_ptr<std::vector<OpenSpan>> open;  // announced, end not seen; null: none
};

// A span as the close rules see it.
struct Arrival {
  uint64_t span_id = 0;
  bool root = false, open = false, reported = false;
  int64_t input_ns = 0;
  size_t bytes = 0;
};

class OpenTraces {
 public:
  explicit OpenTraces(const CloseRules& rules) : rules_(rules) {}

  // The slot of the trace, TraceIndex::kNone if it is not open.
  uint32_t Find(api::TraceId id) const { return index_.Find(id); }
  uint32_t Open(api::TraceId id, int64_t append_ns, int64_t input_ns,
                std::optional<Verdict> verdict);
  // Adds the row to the chain.
  void Add(uint32_t slot, RowRef row, const Arrival& span, SpanBuffer& buffer);
  // Moves what has become due to *due, oldest readiness first; the caller must Erase each.
  void TakeDue(int64_t watermark_ns, int64_t now_ns, std::vector<uint32_t>* due);
  // The oldest trace, marked as closed by budget; kNone if there is none.
  uint32_t TakeOldest();
  // Every trace; those with a root that has not ended, or none, are marked.
  void TakeAll(std::vector<uint32_t>* due);
  // Lets rows of long-lived traces survive their records.
  void Age(int64_t now_ns, SpanBuffer& buffer);

  OpenTrace& at(uint32_t slot) { return slots_[slot]; }
  void Erase(uint32_t slot);
  size_t size() const { return index_.size(); }
  size_t MemoryBytes() const;

 private:
  struct Entry {
    int64_t at_ns;
    uint32_t slot, version;
    bool operator>(const Entry& o) const { return at_ns > o.at_ns; }
  };
  static bool RootOpen(const OpenTrace& trace);
  bool Ready(const OpenTrace& trace) const;
  int64_t ReadyAt(const OpenTrace& trace) const;
  bool Alive(const Entry& e) const { return slots_[e.slot].version == e.version; }
  void Append(std::deque<Entry>& queue, int64_t at_ns, uint32_t slot);
  void Take(uint32_t slot, bool deadline, std::vector<uint32_t>* due);
  void Enqueue(uint32_t slot);

  CloseRules rules_;
  TraceIndex index_;
  std::deque<OpenTrace> slots_;  // no slack of a doubling vector
  std::vector<uint32_t> free_;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready_;  // by watermark
  std::deque<Entry> by_age_, open_grace_;  // by watermark, about ascending
  std::deque<Entry> to_survive_;           // by append time
  std::vector<uint32_t> over_budget_;
};

}  // namespace weft::trace
