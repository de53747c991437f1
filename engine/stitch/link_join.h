// LinkJoin: one partition of weft.links. Joins `exists` and `want` by wire id and answers.
//
// Rules (ARCHITECTURE.md, "weft.links"): a known trace id is answered at once; a want whose parent
// exists waits for it; one without becomes a root when the links watermark of every stage 1
// partition has passed what the asker had read by then (the batch's input time: when it was
// appended says nothing, its sender may be reading a backlog); where an agent that fell silent of
// late would have held that watermark back, the answer says so. Everything may come twice and in
// any order: the join is idempotent. What all partitions had read beyond for longer than the
// horizon is forgotten, and what has been answered with a trace soon after: who asked keeps the
// answer. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/flat_map.h"
#include "engine/base/metrics.h"

namespace weft::stitch {

struct LinkAnswer {
  uint32_t partition;
  uint64_t wire_id, span_id, trace_hi, trace_lo;
  uint32_t flags;
};

class LinkJoin {
 public:
  LinkJoin(uint32_t partitions, int64_t horizon_ns, Metrics& metrics,
           size_t max_entries = size_t{1} << 24);

  // The exists and wants of a batch; answers in it are not for the join. Appends to *out.
  void Consume(const api::LinkBatch& batch, int64_t append_ns, std::vector<LinkAnswer>* out);
  // Answers what the watermarks allow by now, and forgets what is older than the horizon. Beyond
  // `max_entries` that may be too early, counted.
  void Settle(int64_t log_now, std::vector<LinkAnswer>* out);

  int64_t watermark() const;
  // How far the partition that has read least has read its events, but for `partition`; INT64_MAX:
  // there is no other, INT64_MIN: not all were heard.
  int64_t OthersRead(uint32_t partition) const;
  // What it was so long ago, of the last two minutes; INT64_MIN: it was not known. Only time in
  // which all partitions were heard counts: what waits may wait for one that stands still, and then
  // needs the time that it takes as if it had not.
  int64_t WatermarkBefore(int64_t ns) const;
  // Wants that have no answer yet.
  size_t waiting() const { return waiting_; }
  size_t size() const { return entries_.size(); }
  size_t MemoryBytes() const {
    return entries_.MemoryBytes() + own_ids_.MemoryBytes() +
           traces_.capacity() * sizeof(api::TraceId);
  }

 private:
  // There is one for every exchange of the last minute, many times what is buffered: kept small.
  // Four of them with their keys are in a cache line; traces are where only answers have to look.
  struct Entry {
    uint16_t seen = 0;         // input time in ticks
    uint16_t asker = kNobody;  // the partition that wants it; several: in more_
    // The number of its trace in traces_ + 1, 0: not known; and Bits. One word and no bit-fields:
    // those are stored by the byte, and what loads more than was stored waits for the store.
    uint32_t word = 0;
    bool is(uint32_t bit) const { return (word & bit) != 0; }
    void Set(uint32_t bit) { word |= bit; }
    void Unset(uint32_t bit) { word &= ~bit; }
    uint32_t trace() const { return word & kMaxTraces; }
    bool known() const { return trace() != 0; }
  };
  static constexpr uint16_t kNobody = UINT16_MAX;
  static constexpr uint32_t kMaxTraces = (1u << 24) - 1;
  enum Bits : uint32_t {
    kExists = 1u << 24,
    kWaits = 1u << 25,
    kRoot = 1u << 26,
    kMore = 1u << 27,
    kOwnId = 1u << 28,     // the call has an id that does not follow from the key
    kOption = 1u << 29,    // the key is an option id
    kAnswered = 1u << 30,  // with a trace
    kSilent = 1u << 31,    // a root, as far as agents tell that have not fallen silent
  };
  static_assert(sizeof(Entry) == 8);
  struct Stamp {
    int64_t input_ns;
    uint64_t wire_id;
  };
  void Exists(const api::LinkBatch& b, size_t i, int64_t input_ns, std::vector<LinkAnswer>* out);
  void Want(const api::LinkBatch& b, size_t i, int64_t input_ns, std::vector<LinkAnswer>* out);
  void Answer(uint64_t wire_id, Entry& e, std::vector<LinkAnswer>* out);
  Entry& Touch(uint64_t wire_id, int64_t input_ns);
  // False: there are too many. It is as if the record had been lost.
  bool KeepTrace(Entry& entry, uint64_t trace_hi, uint64_t trace_lo);
  void Expire(int64_t log_now);
  void NoteWatermark();

  const int64_t horizon_ns_;
  const size_t max_entries_;
  Counter& conflicts_;
  Counter& foreign_;
  Counter& too_many_;
  Counter& forgotten_;
  FlatMap<Entry> entries_;
  LargeVector<api::TraceId> traces_;
  std::vector<uint32_t> free_traces_;
  FlatMap<uint64_t> own_ids_;  // wire id -> span id, where own_id is set
  struct Asker {
    uint64_t wire_id;
    uint32_t partition;
  };
  std::vector<Asker> more_;                  // second and further askers of a wire id: rare
  std::vector<std::deque<Stamp>> rootless_;  // by sender: wants without exists, by input time
  size_t sweep_at_ = 0;                      // a slot of entries_
  int64_t next_sweep_ns_ = INT64_MIN;
  std::vector<int64_t> watermarks_;  // by sending partition
  std::vector<int64_t> complete_;    // the same, held back by agents that fell silent, too
  std::vector<int64_t> read_;        // by sending partition: its owner's input time
  std::vector<int64_t> heard_;       // by sending partition: when it was last heard to read on
  int64_t all_heard_ns_ = INT64_MIN;
  int64_t time_ns_ = 0;  // in which all were heard
  struct Passed {
    int64_t time_ns, watermark_ns;
  };
  std::deque<Passed> history_;  // of the watermark
  int64_t newest_ns_ = 0;
  int64_t forget_ns_ = INT64_MIN, forget_answered_ns_ = INT64_MIN;  // input times
  size_t waiting_ = 0;
};

}  // namespace weft::stitch
