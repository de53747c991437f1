// RowStore: the spans that a partition holds, and the records that their columns live in.
//
// A Row is what stage 1 needs while it decides; everything else stays where it was received, in the
// columns of the record, found by (batch, row). Rows are found by exchange. A record is let go when
// its last row is. Row numbers are reused: a number is valid until Free of that row. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/api/codec.h"
#include "engine/base/flat_map.h"
#include "engine/base/large_pages.h"
#include "engine/base/prefetch.h"
#include "engine/base/radix_sort.h"

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

// Kept small: there is one for every span that is held.
struct Row {
  uint64_t exchange = 0, span_id = 0, parent_id = 0, trace_hi = 0, trace_lo = 0;
  int64_t start_ns = 0;  // host's monotonic clock
  uint32_t batch = kNone, row = 0;
  uint32_t parent = kNone;   // row of the parent, while that is held
  uint32_t waiting = kNone;  // the first child without a trace id; in a child the next one
  uint32_t candidates = kNone;
  float confidence = 0;
  uint16_t evidence = 0;
  uint16_t state = 0;
  uint16_t flags = 0;  // weft_flag; the record's further bits stay there
  uint16_t kind : 3 = 0;
  uint16_t no_wire : 1 = 0;    // its wire id stayed provisional
  uint16_t wire_span : 1 = 0;  // its span id follows from its wire id
  uint16_t age : 11 = 0;       // grows with reuse of the row's number

  bool is(uint16_t bits) const { return (state & bits) == bits; }
  bool server() const { return kind == WEFT_KIND_SERVER || kind == WEFT_KIND_CONSUMER; }
  bool open() const { return (flags & WEFT_FLAG_OPEN) != 0; }
  bool pending() const { return (state & (kEmitted | kEmittedOpen)) == 0; }
};
static_assert(sizeof(Row) == 80);

// A record of weft.events whose rows are held.
struct HeldBatch {
  api::EventRecord events;
  uint64_t offset = 0;
  uint64_t serial = 0;  // never reused, unlike the batch's number
  int64_t append_ns = 0;
  int64_t log_offset_ns = 0;  // log time - event time, of its agent
  int64_t first_start_ns = INT64_MAX;
  uint32_t rows = 0;     // held
  uint32_t pending = 0;  // held and not emitted, neither whole nor as open
  uint32_t agent = kNone;
  std::vector<uint32_t> processes;  // of the batch -> process number
  const api::EventColumns& columns() const { return events.columns; }
};

class RowStore {
 public:
  uint32_t AddBatch(HeldBatch batch);
  HeldBatch& batch(uint32_t number) { return *batches_[number]; }
  const HeldBatch& batch(uint32_t number) const { return *batches_[number]; }
  // Numbers of batches are below this.
  uint32_t batches() const { return static_cast<uint32_t>(batches_.size()); }
  // Lets a batch go that got no rows.
  void DropIfEmpty(uint32_t number);

  uint32_t Find(uint64_t exchange) const;  // kNone
  // ForceEnd gave it its end.
  bool EndIsForced(uint32_t number) const {
    return !forced_ends_.empty() && forced_ends_.Find(number) != nullptr;
  }
  // For loops that know what comes next: most of what they touch is not in the cache.
  void PrefetchIndex(uint64_t exchange) const;
  void PrefetchRow(uint32_t number) const {
    const char* row = reinterpret_cast<const char*>(&(*this)[number]);
    Prefetch(row);
    Prefetch(row + sizeof(Row) - 1);
  }
  // The row of the exchange, or a new one that refers to (batch, row); `second`: it is new.
  std::pair<uint32_t, bool> FindOrAdd(uint64_t exchange, uint32_t batch, uint32_t row);
  // The row refers to another record from now on.
  void Move(uint32_t number, uint32_t batch, uint32_t row);
  // `bit`: kEmitted or kEmittedOpen.
  void MarkEmitted(uint32_t number, RowState bit);
  void Free(uint32_t number);

  Row& operator[](uint32_t number) { return blocks_[number / kBlock][number % kBlock]; }
  const Row& operator[](uint32_t number) const { return blocks_[number / kBlock][number % kBlock]; }
  const api::EventColumns& Columns(const Row& row) const { return batches_[row.batch]->columns(); }
  // Host's monotonic clock; 0 while open.
  int64_t EndOf(uint32_t number) const {
    const Row& r = (*this)[number];
    return EndOf(number, Columns(r).end_ns[r.row]);
  }
  // The same, with the end_ns of its record at hand.
  int64_t EndOf(uint32_t number, uint64_t recorded) const {
    const Row& r = (*this)[number];
    if (r.open()) return 0;
    if (const int64_t* own = FindOwnEnd(number)) return *own;
    return recorded == 0 ? r.start_ns : r.start_ns + static_cast<int64_t>(recorded - 1);
  }
  // The end of a row that has another one than its record says; null: it has not.
  const int64_t* FindOwnEnd(uint32_t number) const {
    return forced_ends_.empty() && moved_ends_.empty() ? nullptr : LookForOwnEnd(number);
  }
  // The record of an open row will have no end: this is it.
  void ForceEnd(uint32_t number, int64_t end_ns);
  // The record that it refers to by now has its end after all: it is to be emitted with that.
  void TakeBackEnd(uint32_t number);

  // Copies the rows that are left of old records, of which hardly any are, into records of their
  // own size: one request that stays open for hours does not hold a thousand others. Records
  // appended before `append_ns` only. Returns the bytes let go.
  size_t Compact(int64_t append_ns);

  // The lowest offset of a held record that has pending spans or was appended at or after
  // `not_before`, else `next`.
  uint64_t OldestOffset(int64_t not_before, uint64_t next) const;
  // Whether a record is held that...
  template <typename Predicate>
  bool HoldsAny(Predicate&& predicate) const {
    return std::any_of(batches_.begin(), batches_.end(),
                       [&](const auto& b) { return b->rows != 0 && predicate(*b); });
  }
  // The earliest log time at which a span that is held and not emitted began, else `none`.
  int64_t OldestPendingStart(int64_t none) const;

  // Of any record so far.
  uint32_t MostRows() const { return most_rows_; }
  size_t size() const { return used_; }
  size_t pending() const { return pending_; }
  size_t MemoryBytes() const;
  // Of what is held, without room for more.
  size_t HeldBytes() const { return size() * sizeof(Row) + RecordBytes(); }

 private:
  const int64_t* LookForOwnEnd(uint32_t number) const;
  size_t RecordBytes() const;
  void Release(uint32_t batch);
  bool Sparse(const HeldBatch& batch, int64_t append_ns) const;
  void Shrink(uint32_t batch, const SortItem* rows, size_t n);
  size_t SlotOf(uint64_t exchange) const;
  void IndexErase(uint32_t number);
  void IndexGrow();

  uint32_t Allocate();
  void AddBlocks();
  void GiveBack(uint32_t number);

  // Rows that come together lie together: they are given out in chunks, one after the other, and a
  // chunk is taken again when hardly any of it is left in use.
  static constexpr uint32_t kBlock = 4096;
  static constexpr uint32_t kChunk = 64;
  static constexpr int kReusable = 56;  // free rows
  // A large store takes a huge page at a time.
  static constexpr size_t kSlabBlocks = kHugePage / (kBlock * sizeof(Row));
  struct FreeSlab {
    void operator()(Row* rows) const { FreeHuge(rows); }
  };
  std::vector<std::unique_ptr<Row[]>> first_blocks_;
  std::vector<std::unique_ptr<Row, FreeSlab>> slabs_;
  std::vector<Row*> blocks_;         // in first_blocks_ and slabs_
  std::vector<uint64_t> free_rows_;  // by chunk: a bit per row
  std::vector<uint32_t> ready_;      // reusable chunks
  uint32_t filling_ = kNone;         // the chunk in use

  // Open addressing; the tag is the low half of the key's hash, which says where the home is.
  // Neither growth nor most probes have to look at the rows, which would be a cache miss each.
  struct IndexSlot {
    uint32_t tag = 0;
    uint32_t row = 0;  // number + 1; 0 is free
  };
  LargeVector<IndexSlot> index_;
  FlatMap<int64_t> forced_ends_;  // by row
  FlatMap<int64_t> moved_ends_;   // by row: its first record had another start than its last one
  std::vector<std::unique_ptr<HeldBatch>> batches_;  // never null
  std::vector<uint32_t> free_batches_;
  uint64_t next_serial_ = 1;
  uint32_t most_rows_ = 0;
  size_t used_ = 0;
  size_t pending_ = 0;
};

}  // namespace weft::stitch
