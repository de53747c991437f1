// SpanEmitter: copies finished rows out of their records into the span batches of the outbox.
//
// Works through a list at once, grouped by receiving partition, whose batch it closes, and record,
// so that a dictionary entry is translated once per record and partition; attributes of large
// groups are not compared with those of other records. Also keeps the weighed candidates and the
// late links of rows until they are emitted. One thread.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "engine/api/event_copier.h"
#include "engine/base/flat_map.h"
#include "engine/base/radix_sort.h"
#include "engine/stitch/link_decider.h"
#include "engine/stitch/outbox.h"
#include "engine/stitch/row_store.h"

namespace weft::stitch {

struct CandidateNote {
  uint64_t span_id;
  float log_odds;
  uint32_t evidence;
};

class SpanEmitter {
 public:
  SpanEmitter(RowStore& rows, Outbox& outbox, uint32_t partitions)
      : rows_(rows), outbox_(outbox), partitions_(partitions) {}

  void Queue(uint32_t row) { queue_.push_back(row); }
  bool empty() const { return queue_.empty(); }
  // Emits everything queued. `emitted` is told a few rows at a time, while they are in the cache;
  // they are not marked.
  void Flush(const std::function<void(std::span<const SortItem> rows)>& emitted);

  uint32_t KeepCandidates(const CandidateNote* notes, uint32_t n);
  void DropCandidates(uint32_t number) { free_notes_.push_back(number); }
  // The row's exchange belongs under this span, which became known after its trace id was fixed.
  void KeepLink(uint64_t exchange, uint64_t trace_hi, uint64_t trace_lo, uint64_t span_id) {
    links_[exchange] = {trace_hi, trace_lo, span_id};
  }
  size_t MemoryBytes() const;

 private:
  struct Notes {
    uint32_t n = 0;
    std::array<CandidateNote, LinkDecider::kMaxWeighed> note;
  };
  struct LateLink {
    uint64_t trace_hi = 0, trace_lo = 0, span_id = 0;
  };
  void EmitGroup(size_t first, uint32_t to, const HeldBatch& batch);
  void Prefetch(size_t place) const;
  void Finish(size_t first, uint32_t at, const HeldBatch& batch);
  void AppendCandidates(size_t first);
  bool HasLinks(const Row& row) const;
  void AddLinks(const Row& row, api::SpanTable& to, uint32_t at);
  void Link(api::SpanTable& to, uint64_t trace_hi, uint64_t trace_lo, uint64_t span_id);

  RowStore& rows_;
  Outbox& outbox_;
  api::EventCopier copier_;
  const uint32_t partitions_;
  std::vector<uint32_t> queue_;
  std::vector<SortItem> keys_, scratch_;  // (receiving partition, batch, row) and row's number
  std::vector<uint32_t> group_;           // rows of one batch for one partition
  std::vector<uint64_t> ends_;            // of group_, as the record has them
  std::vector<size_t> linked_;            // places in group_
  size_t candidates_ = 0;                 // of group_
  std::vector<Notes> notes_;
  std::vector<uint32_t> free_notes_;
  FlatMap<LateLink> links_;
};

}  // namespace weft::stitch
