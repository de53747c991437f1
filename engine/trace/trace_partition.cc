#include "engine/trace/trace_partition.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/trace/trace_gather.h"

namespace weft::trace {

using transport::RecordType;
using transport::Stream;

TracePartition::TracePartition(const TraceConfig& config, const Tenure& tenure,
                               std::vector<Sampler> samplers, Metrics& metrics, Logger& log)
    : config_(config),
      tenure_(tenure),
      bad_records_(log),
      counters_(metrics),
      samplers_(std::make_unique<SamplerChain>(std::move(samplers), metrics, log)),
      redactor_(config.redact, metrics),
      decisions_(config.remember_traces),
      open_(config.close),
      offsets_(tenure.start_offset),
      watermarks_(tenure.stitch_partitions, INT64_MIN),
      committed_(tenure.start_offset) {
  if (metrics.spans().on()) span_counts_.emplace(metrics.spans(), config.redact);
}

TracePartition::~TracePartition() {
  Leave(counters_.handed_over, pending_);
  Subtract(counters_.open, open_.size());
}

void TracePartition::Consume(const transport::Record& record) {
  now_ns_ = std::max(now_ns_, record.append_ns);
  // What was appended after the take-over cannot be a replay.
  if (record.append_ns > tenure_.since_ns) decisions_.ForgetRestored();
  auto batch = api::DecodeSpanColumns(record.payload);
  if (!batch) {
    offsets_.Add(record.offset, 0);
    return Bury(record, batch.error());
  }
  if (const uint32_t from = batch->from_partition; from < watermarks_.size())
    watermarks_[from] = std::max(watermarks_[from], batch->watermark_ns);
  const uint32_t n = batch->columns.n;
  const uint64_t number = offsets_.Add(record.offset, n);
  if (n == 0) return;
  const int64_t input_ns = batch->input_ns != 0 ? batch->input_ns : record.append_ns;
  const uint32_t slot = buffer_.Add(std::move(*batch), number);
  // Lives until the last row is released, which is the loop's last step at the earliest.
  const api::EventColumns& spans = buffer_.Columns(SpanBuffer::Ref(slot, 0));
  uint32_t ended = 0;
  for (uint32_t i = 0; i < n; ++i) ended += (spans.flags[i] & WEFT_FLAG_OPEN) == 0;
  counters_.spans.Add(ended);
  counters_.announced.Add(n - ended);
  counters_.pending.Add(ended);
  pending_ += ended;
  for (uint32_t i = 0; i < n; ++i) Place(SpanBuffer::Ref(slot, i), spans, record, input_ns);
}

void TracePartition::Bury(const transport::Record& record, const Error& error) {
  if (record.offset < dead_end_) return;  // an owner before this one has
  dead_end_ = record.offset + 1;
  counters_.bad_records.Add();
  bad_records_.Warn(now_ns_, fmt::format("weft.spans/{} offset {}: {}", record.partition,
                                         record.offset, error.message));
  dead_.push_back({Stream::kDead, record.partition, RecordType::kDeadRecord, 0,
                   api::EncodeDead({static_cast<uint8_t>(record.stream), record.partition,
                                    record.offset, error.message, record.payload->bytes()})});
}

void TracePartition::Place(RowRef row, const api::EventColumns& spans,
                           const transport::Record& record, int64_t input_ns) {
  const uint32_t i = SpanBuffer::Row(row);
  const api::TraceId id = IdOf(spans, i);
  uint32_t slot = open_.Find(id);
  if (slot == TraceIndex::kNone) {
    const Restored* restored = decisions_.FindRestored(id);
    const auto verdict = decisions_.Find(id);
    if (restored != nullptr && restored->done_offset == 0) {
      // Decided, but perhaps not durable: gathered again, and exported by the logged verdict.
      slot = open_.Open(id, record.append_ns, input_ns, restored->verdict);
      decisions_.DropRestored(id);
      counters_.open.Add();
    } else if (restored != nullptr && record.offset < restored->done_offset) {
      Discard(row, spans, counters_.skipped);
      return;
    } else if (verdict) {
      counters_.late.Add();
      if (verdict->keep)
        late_.push_back(row);
      else
        Discard(row, spans, counters_.sampled_out);
      return;
    } else {
      slot = open_.Open(id, record.append_ns, input_ns, std::nullopt);
      counters_.open.Add();
    }
  }
  open_.Add(slot, row,
            {spans.SpanIdOf(i), IsRoot(spans, i), (spans.flags[i] & WEFT_FLAG_OPEN) != 0,
             (spans.flags[i] & WEFT_FLAG_REPORTED) != 0, input_ns,
             buffer_.RowBytes(SpanBuffer::BatchOf(row))},
            buffer_);
}

void TracePartition::Discard(RowRef row, const api::EventColumns& spans, Counter& why) {
  if ((spans.flags[SpanBuffer::Row(row)] & WEFT_FLAG_OPEN) == 0) {
    Leave(why, 1);
    offsets_.Count(buffer_.Record(row),
                   &why == &counters_.skipped ? RowFate::kStored : RowFate::kSampledOut);
  }
  offsets_.Done(buffer_.Record(row));
  buffer_.Release(row);
}

// Ended spans leave the partition, and are counted where they go.
void TracePartition::Leave(Counter& where, uint64_t spans) {
  where.Add(spans);
  Subtract(counters_.pending, spans);
  pending_ -= spans;
}

transport::Transaction TracePartition::Tick(int64_t log_now_ns, bool caught_up) {
  if (caught_up) now_ns_ = std::max(now_ns_, log_now_ns);
  if (!leaving_) DecideWhatIsDue();
  open_.Age(now_ns_, buffer_);

  transport::Transaction transaction;
  const uint64_t needed = offsets_.Needed();
  if (needed > committed_) transaction.commit_offset = committed_ = needed;
  NoteDone();
  if (auto payload = decisions_.TakeRecord())
    transaction.out.push_back(
        {Stream::kDecisions, tenure_.partition, RecordType::kDecisionBatch, 0, std::move(payload)});
  AddLedger(transaction);
  SaveState(transaction);
  for (auto& dead : dead_) transaction.out.push_back(std::move(dead));
  dead_.clear();
  return transaction;
}

void TracePartition::DecideWhatIsDue() {
  const int64_t watermark = *std::ranges::min_element(watermarks_);
  const size_t before = due_.size();
  const bool waited = waiting_;
  if (close_all_) {
    open_.TakeAll(&due_);
  } else {
    open_.TakeDue(watermark, now_ns_, &due_);
  }
  waiting_ = !due_.empty() || !late_.empty();
  if (waiting_ && !waited) due_since_ns_ = now_ns_;
  for (size_t i = before; i < due_.size(); ++i) due_spans_ += open_.at(due_[i]).spans;
  const bool squeeze = buffer_.bytes() > AllowedNow(config_.share, config_.max_bytes);
  if (squeeze) KeepBudget();
  if (squeeze || close_all_ || LingerOver(due_spans_ + late_.size())) {
    DecideDue();
    ExportLate();
    waiting_ = false;
  }
}

int64_t TracePartition::WatermarkLagNs() const {
  return now_ns_ - std::clamp(*std::ranges::min_element(watermarks_), tenure_.since_ns, now_ns_);
}

bool TracePartition::LingerOver(size_t spans) const {
  return spans >= config_.batch_spans || now_ns_ - due_since_ns_ >= config_.linger_ns;
}

// The oldest traces go first until half of the budget's overshoot could be freed; what they hold is
// an estimate, since a record is freed with the last of its rows.
void TracePartition::KeepBudget() {
  const size_t bound = AllowedNow(config_.share, config_.max_bytes);
  if (buffer_.bytes() <= bound) return;  // it has grown since
  const size_t excess = buffer_.bytes() - bound + bound / 8;
  size_t freed = 0;
  for (uint32_t slot : due_) freed += open_.at(slot).bytes;
  while (freed < excess) {
    const uint32_t slot = open_.TakeOldest();
    if (slot == TraceIndex::kNone) return;
    freed += open_.at(slot).bytes;
    due_.push_back(slot);
  }
}

std::vector<ExportBatchPtr> TracePartition::TakeExports() { return std::exchange(staged_, {}); }

void TracePartition::Acknowledge(uint64_t batch_number, bool everywhere) {
  WEFT_CHECK(!in_flight_.empty() && in_flight_.front()->number == batch_number);
  for (const auto& [record, rows, ended] : in_flight_.front()->records) {
    offsets_.Count(record, everywhere ? RowFate::kStored : RowFate::kDropped, ended);
    offsets_.Acknowledge(record, rows);
  }
  for (const auto& trace : in_flight_.front()->traces) durable_.push_back(trace);
  in_flight_.pop_front();
}

size_t TracePartition::MemoryBytes() const {
  return buffer_.bytes() + open_.MemoryBytes() + decisions_.MemoryBytes();
}

}  // namespace weft::trace
