#include "engine/trace/span_buffer.h"

#include <utility>

#include "engine/base/check.h"

namespace weft::trace {

void SpanBuffer::Batch::Refresh() const {
  columns = api::ColumnsOf(*survivors);
  stale = false;
}

uint32_t SpanBuffer::Place(std::unique_ptr<Batch> batch) {
  if (free_.empty()) {
    batches_.push_back(std::move(batch));
    return static_cast<uint32_t>(batches_.size() - 1);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  batches_[slot] = std::move(batch);
  return slot;
}

uint32_t SpanBuffer::Add(api::SpanRecord spans, uint64_t record) {
  auto batch = std::make_unique<Batch>();
  const uint32_t n = spans.columns.n;
  batch->bytes = sizeof(Batch) + spans.payload->bytes().size() + n * sizeof(RowRef);
  batch->payload = std::move(spans.payload);
  batch->columns = spans.columns;
  batch->next.assign(n, kNoRow);
  batch->record = record;
  batch->live = n;
  bytes_ += batch->bytes;
  rows_ += n;
  return Place(std::move(batch));
}

uint64_t SpanBuffer::Record(RowRef row) const {
  const Batch& batch = Of(row);
  return batch.survivors ? batch.origin[Row(row)] : batch.record;
}

size_t SpanBuffer::RowBytes(uint32_t batch) const {
  const Batch& b = *batches_[batch];
  return b.next.empty() ? 0 : b.bytes / b.next.size();
}

void SpanBuffer::Release(RowRef row) {
  Batch& batch = Of(row);
  WEFT_CHECK(batch.live > 0);
  --rows_;
  if (--batch.live > 0 || BatchOf(row) == survivors_) return;
  bytes_ -= batch.bytes;
  batches_[BatchOf(row)].reset();
  free_.push_back(BatchOf(row));
}

RowRef SpanBuffer::MoveRow(RowRef row, std::unordered_map<uint32_t, api::EventCopier>& copiers) {
  Batch& to = *batches_[survivors_];
  // A copier refers to its source, so the release of the source must take the copier along.
  const auto [it, fresh] = copiers.try_emplace(BatchOf(row));
  if (fresh) it->second.Begin(Of(row).Columns(), *to.survivors);
  const uint32_t from = Row(row);
  const RowRef moved = Ref(survivors_, to.survivors->n());
  it->second.Copy(&from, 1);
  to.origin.push_back(Record(row));
  to.next.push_back(Next(row));
  ++to.live;
  ++rows_;
  if (Of(row).live == 1) copiers.erase(it);
  Release(row);
  return moved;
}

RowRef SpanBuffer::Survive(RowRef head) {
  if (survivors_ == kNoBatch || batches_[survivors_]->next.size() >= kSurvivorRows) {
    const uint32_t full = std::exchange(survivors_, kNoBatch);
    if (full != kNoBatch && batches_[full]->live == 0) {
      bytes_ -= batches_[full]->bytes;
      batches_[full].reset();
      free_.push_back(full);
    }
    auto fresh = std::make_unique<Batch>();
    fresh->survivors = std::make_unique<api::SpanTable>();
    survivors_ = Place(std::move(fresh));
  }
  Batch& to = *batches_[survivors_];
  to.stale = true;
  std::unordered_map<uint32_t, api::EventCopier> copiers;
  RowRef before = kNoRow;
  for (RowRef row = head; row != kNoRow;) {
    const Batch& from = Of(row);
    RowRef here = row;
    if (!from.survivors && from.live * 2 < from.next.size()) {
      here = MoveRow(row, copiers);
      if (before == kNoRow)
        head = here;
      else
        Link(before, here);
    }
    before = here;
    row = Next(here);
  }
  const size_t now = sizeof(Batch) + to.survivors->MemoryBytes() + to.next.size() * 16;
  bytes_ += now - to.bytes;
  to.bytes = now;
  return head;
}

void RowGatherer::GroupByBatch(const std::vector<RowRef>& rows, uint32_t first) {
  order_.clear();
  for (uint32_t i = 0; i < rows.size(); ++i) order_.push_back({SpanBuffer::BatchOf(rows[i]), i});
  RadixSort(order_, scratch_);
  runs_.clear();
  row_.clear();
  place_.clear();
  run_of_.resize(rows.size());
  for (uint32_t at = 0; at < order_.size(); ++at) {
    const auto batch = static_cast<uint32_t>(order_[at].key);
    if (runs_.empty() || runs_.back().batch != batch) runs_.push_back({batch, at, at});
    runs_.back().end = at + 1;
    const uint32_t i = order_[at].value;
    row_.push_back(SpanBuffer::Row(rows[i]));
    place_.push_back(first + i);
    run_of_[i] = static_cast<uint32_t>(runs_.size() - 1);
  }
}

void RowGatherer::Append(const SpanBuffer& from, const std::vector<RowRef>& rows,
                         api::SpanTable& to) {
  if (rows.empty()) return;
  GroupByBatch(rows, to.AppendRows(rows.size()));
  if (copiers_.size() < runs_.size()) copiers_.resize(runs_.size());
  for (size_t i = 0; i < runs_.size(); ++i) {
    const Run& run = runs_[i];
    const uint32_t n = run.end - run.begin;
    // Attributes that only one row has are most of those to store; looking for each costs more
    // than to have the few common ones once for each source.
    constexpr uint32_t kFew = 64;
    copiers_[i].Begin(from.Columns(SpanBuffer::Ref(run.batch, 0)), to,
                      n < kFew ? api::Repeats::kOnce : api::Repeats::kPerSource);
    copiers_[i].FillColumns(&row_[run.begin], &place_[run.begin], n);
  }
  for (size_t i = 0; i < rows.size(); ++i)
    copiers_[run_of_[i]].AppendLists(SpanBuffer::Row(rows[i]));
  if (copiers_.size() > kKeptCopiers) copiers_.resize(kKeptCopiers);
}

}  // namespace weft::trace
