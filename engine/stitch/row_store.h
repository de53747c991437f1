// RowStore: the spans that a partition holds, and the records that their columns live in.
//
// A Row is what stage 1 needs while it decides; everything else stays where it was received, in the
// columns of the record, found by (batch, row). Rows are found by exchange. A record is let go when
// its last row is. Row numbers are reused: a number is valid until Free of that row. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/api/codec.h"

namespace weft::stitch {

inline constexpr uint32_t kNone = UINT32_MAX;

enum RowState : uint16_t {
  kFinalId = 1 << 0,      // wire id (or its absence) is settled, so span_id is
  kDecided = 1 << 1,      // the parent is known (client: by the window; server: by answer or none)
  kTraced = 1 << 2,       // the trace id is known
  kResolved = 1 << 3,     // children have been told: traced, and for servers the id is final
  kEmitted = 1 << 4,      // in weft.spans, ended
  kEmittedOpen = 1 << 5,  // in weft.spans as it was while open
  kRetained = 1 << 6,     // a later window may still need it
  kUndecidedWindow = 1 << 7,  // waits in a bucket of its process
  kLogParent = 1 << 8,        // the parent is already in weft.labels
  kLogQueued = 1 << 9,        // has a place in the next label batch
  kEmitQueued = 1 << 10,      // has a place in the next span batch
  kUntrusted = 1 << 11,       // its context came from outside the networks: a link, not a trace
  kAsked = 1 << 12,           // a want is out
  kLogTrace = 1 << 13,        // the trace is already in weft.labels
  kAwaitsParent = 1 << 14,    // after a take-over: the logged parent has not been read yet
  kFreeQueued = 1 << 15,      // goes when the transaction is taken
};

struct Row {
  uint64_t exchange = 0, span_id = 0, parent_id = 0, trace_hi = 0, trace_lo = 0;
  int64_t start_ns = 0, end_ns = 0;  // host's monotonic clock; end 0 while open
  uint32_t batch = kNone, row = 0;
  uint32_t process = kNone;
  uint32_t parent = kNone;                               // row of the parent, while that is held
  uint32_t first_waiting = kNone, next_waiting = kNone;  // children without a trace id
  uint32_t candidates = kNone;
  uint32_t flags = 0;
  float confidence = 0;
  uint16_t evidence = 0;
  uint16_t state = 0;
  uint8_t kind = 0;
  bool no_wire = false;  // its wire id stayed provisional
  uint32_t age = 0;      // grows with reuse of the row's number

  bool is(uint16_t bits) const { return (state & bits) == bits; }
  bool server() const { return kind == WEFT_KIND_SERVER || kind == WEFT_KIND_CONSUMER; }
  bool open() const { return end_ns == 0; }
  bool pending() const { return (state & (kEmitted | kEmittedOpen)) == 0; }
};

// A record of weft.events whose rows are held.
struct HeldBatch {
  api::EventBatch events;
  uint64_t offset = 0;
  uint64_t serial = 0;  // never reused, unlike the batch's number
  int64_t append_ns = 0;
  int64_t log_offset_ns = 0;  // log time - event time, of its agent
  int64_t first_start_ns = INT64_MAX;
  uint32_t rows = 0;     // held
  uint32_t pending = 0;  // held and not emitted, neither whole nor as open
  uint32_t agent = kNone;
  std::vector<uint32_t> processes;  // of the batch -> process number
  const weft_spans& spans() const { return events.spans.spans(); }
  // spans().strings is there only while the batch is admitted.
  std::string_view Text(uint32_t index) const { return events.spans.Text(index); }
};

class RowStore {
 public:
  uint32_t AddBatch(HeldBatch batch);
  HeldBatch& batch(uint32_t number) { return batches_[number]; }
  const HeldBatch& batch(uint32_t number) const { return batches_[number]; }
  // Lets a batch go that got no rows.
  void DropIfEmpty(uint32_t number);

  uint32_t Find(uint64_t exchange) const;  // kNone
  // For loops that know what comes next: most of what they touch is not in the cache.
  void PrefetchIndex(uint64_t exchange) const;
  void PrefetchRow(uint32_t number) const {
    __builtin_prefetch(&rows_[number]);
    __builtin_prefetch(reinterpret_cast<const char*>(&rows_[number]) + 64);
  }
  // A new row that refers to (batch, row).
  uint32_t Add(uint64_t exchange, uint32_t batch, uint32_t row);
  // The row refers to another record from now on.
  void Move(uint32_t number, uint32_t batch, uint32_t row);
  // `bit`: kEmitted or kEmittedOpen.
  void MarkEmitted(uint32_t number, RowState bit);
  void Free(uint32_t number);

  Row& operator[](uint32_t number) { return rows_[number]; }
  const Row& operator[](uint32_t number) const { return rows_[number]; }
  const weft_spans& Columns(const Row& row) const { return batches_[row.batch].spans(); }

  // The lowest offset of a held record that has pending spans or was appended at or after
  // `not_before`, else `next`.
  uint64_t OldestOffset(int64_t not_before, uint64_t next) const;
  // Whether a record is held that was appended before.
  bool HoldsOlderThan(int64_t append_ns) const;
  // The earliest log time at which a span that is held and not emitted began, else `none`.
  int64_t OldestPendingStart(int64_t none) const;

  size_t size() const { return used_; }
  size_t pending() const { return pending_; }
  size_t MemoryBytes() const;
  template <typename Visit>
  void ForEach(Visit&& visit) {
    for (uint32_t i = 0; i < rows_.size(); ++i)
      if (rows_[i].batch != kNone) visit(i, rows_[i]);
  }

 private:
  void Release(uint32_t batch);
  void IndexInsert(uint32_t number);
  void IndexErase(uint32_t number);
  void IndexGrow();

  std::vector<Row> rows_;
  std::vector<uint32_t> free_;
  // Open addressing. The tag spares a look at the row, which is a cache miss, in most probes.
  struct IndexSlot {
    uint32_t tag = 0;
    uint32_t row = 0;  // number + 1; 0 is free
  };
  std::vector<IndexSlot> index_;
  std::deque<HeldBatch> batches_;
  std::vector<uint32_t> free_batches_;
  uint64_t next_serial_ = 1;
  size_t used_ = 0;
  size_t pending_ = 0;
};

}  // namespace weft::stitch
