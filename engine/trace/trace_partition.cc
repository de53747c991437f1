#include "engine/trace/trace_partition.h"

#include <algorithm>
#include <tuple>
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
    counters_.bad_records.Add();
    bad_records_.Warn(now_ns_, fmt::format("weft.spans/{} offset {}: {}", record.partition,
                                           record.offset, batch.error().message));
    dead_.push_back(
        {Stream::kDead, record.partition, RecordType::kDeadRecord, 0,
         api::EncodeDead({static_cast<uint8_t>(record.stream), record.partition, record.offset,
                          batch.error().message, record.payload->bytes()})});
    offsets_.Add(record.offset, 0);
    return;
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
  const bool squeeze = buffer_.bytes() > config_.max_bytes;
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
  const size_t excess = buffer_.bytes() - config_.max_bytes + config_.max_bytes / 8;
  size_t freed = 0;
  for (uint32_t slot : due_) freed += open_.at(slot).bytes;
  while (freed < excess) {
    const uint32_t slot = open_.TakeOldest();
    if (slot == TraceIndex::kNone) return;
    freed += open_.at(slot).bytes;
    due_.push_back(slot);
  }
}

void TracePartition::DecideDue() {
  size_t begin = 0;
  while (begin < due_.size()) {
    size_t end = begin;
    for (size_t spans = 0; end < due_.size() && spans < config_.batch_spans; ++end)
      spans += open_.at(due_[end]).spans;
    CloseSome(std::span(due_).subspan(begin, end - begin));
    begin = end;
  }
  due_.clear();
  due_spans_ = 0;
}

void TracePartition::CloseSome(std::span<const uint32_t> slots) {
  auto batch = std::make_unique<ExportBatch>();
  const auto [ended, superseded] = Gather(slots, *batch);
  const std::vector<Verdict> verdicts = Judge(slots, *batch);
  CountSpans(slots, verdicts, *batch);
  auto flight = std::make_unique<Flight>();
  std::vector<uint8_t> keep;
  bool all_kept = true;
  uint32_t kept_spans = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    keep.push_back(verdicts[i].keep);
    all_kept &= verdicts[i].keep;
    Leave(counters_.replaced, open_.at(slots[i]).ended - ended[i]);
    Leave(verdicts[i].keep ? counters_.kept : counters_.sampled_out, ended[i]);
    if (verdicts[i].keep) kept_spans += ended[i];
    Settle(slots[i], verdicts[i], superseded, *flight);
  }
  if (!all_kept) {
    auto kept = std::make_unique<ExportBatch>();
    CopyKept(*batch, keep, *kept);
    batch = std::move(kept);
  }
  batch->ended = kept_spans;
  counters_.closed.Add(slots.size());
  Subtract(counters_.open, slots.size());
  Stage(std::move(batch), std::move(flight));
}

TracePartition::Gathered TracePartition::Gather(std::span<const uint32_t> slots,
                                                ExportBatch& batch) {
  TraceGatherer gatherer(buffer_, gatherer_, batch);
  std::vector<uint32_t> ended;
  std::vector<RowRef> rows;
  for (uint32_t slot : slots) {
    const OpenTrace& trace = open_.at(slot);
    rows.clear();
    for (RowRef row = trace.newest; row != kNoRow; row = buffer_.Next(row)) rows.push_back(row);
    const uint32_t flags = trace.deadline ? WEFT_FLAG_DEADLINE : 0;
    ended.push_back(gatherer.Add(trace.id, rows, flags, trace.verdict ? WEFT_FLAG_RESUMED : 0));
    if (trace.deadline) counters_.deadline.Add();
  }
  gatherer.Finish();
  batch.view = batch.spans.View();
  std::vector<RowRef> superseded = gatherer.superseded();
  std::ranges::sort(superseded);
  return {std::move(ended), std::move(superseded)};
}

// Before anything is sampled out. Traces decided by an earlier owner were counted there.
void TracePartition::CountSpans(std::span<const uint32_t> slots,
                                const std::vector<Verdict>& verdicts, const ExportBatch& batch) {
  if (!span_counts_) return;
  std::vector<uint8_t> count(slots.size()), kept(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    count[i] = open_.at(slots[i]).verdict ? 0 : 1;
    kept[i] = verdicts[i].keep;
  }
  span_counts_->Add(batch, count, kept, now_ns_);
}

// Logged verdicts stand; the samplers' answers for those traces are not looked at.
std::vector<Verdict> TracePartition::Judge(std::span<const uint32_t> slots,
                                           const ExportBatch& batch) {
  std::vector<Verdict> verdicts(slots.size());
  weft_traces traces = batch.traces.View();
  traces.decided_ns = now_ns_;
  traces.partition = tenure_.partition;
  traces.n_partitions = tenure_.stitch_partitions;
  const Decisions* fresh =
      samplers_->empty() ? nullptr : &samplers_->Decide(batch.view.spans(), traces);
  learned_ |= fresh != nullptr;
  for (size_t i = 0; i < slots.size(); ++i) {
    const OpenTrace& trace = open_.at(slots[i]);
    if (trace.verdict) {
      verdicts[i] = *trace.verdict;
      continue;
    }
    if (fresh != nullptr)
      verdicts[i] = {fresh->keep[i] != 0, decisions_.rules().Number(fresh->rule[i]),
                     static_cast<float>(fresh->weight[i])};
    decisions_.Decide(trace.id, verdicts[i], batch.traces.flags[i], batch.traces.n_rows[i]);
  }
  return verdicts;
}

// The trace leaves the buffer: its rows are in flight, or done where it was sampled out.
void TracePartition::Settle(uint32_t slot, Verdict verdict, const std::vector<RowRef>& superseded,
                            Flight& flight) {
  const OpenTrace& trace = open_.at(slot);
  uint64_t end_offset = 0;
  for (RowRef row = trace.newest; row != kNoRow;) {
    const RowRef next = buffer_.Next(row);
    const uint64_t record = buffer_.Record(row);
    end_offset = std::max(end_offset, offsets_.OffsetOf(record) + 1);
    const bool replaced = std::ranges::binary_search(superseded, row);
    const bool ended = !replaced && Ended(row);
    if (replaced) offsets_.Count(record, RowFate::kReplaced);
    if (verdict.keep) {
      offsets_.Ship(record);
      flight.records.push_back({record, 1, ended});
    } else {
      if (ended) offsets_.Count(record, RowFate::kSampledOut);
      offsets_.Done(record);
    }
    buffer_.Release(row);
    row = next;
  }
  if (verdict.keep) flight.traces.push_back({trace.id, verdict, end_offset});
  open_.Erase(slot);
}

void TracePartition::ExportLate() {
  if (late_.empty()) return;
  auto batch = std::make_unique<ExportBatch>();
  auto flight = std::make_unique<Flight>();
  // Newest first within a trace, as in a chain.
  std::ranges::reverse(late_);
  const auto id_of = [this](RowRef row) {
    return IdOf(buffer_.Columns(row), SpanBuffer::Row(row));
  };
  std::ranges::stable_sort(late_, [&](RowRef a, RowRef b) {
    const api::TraceId x = id_of(a), y = id_of(b);
    return std::tie(x.hi, x.lo) < std::tie(y.hi, y.lo);
  });
  TraceGatherer gatherer(buffer_, gatherer_, *batch);
  std::vector<RowRef> rows;
  for (size_t i = 0; i < late_.size();) {
    const api::TraceId id = id_of(late_[i]);
    uint64_t end_offset = 0;
    uint32_t in_hand = 0;
    rows.clear();
    for (; i < late_.size() && id_of(late_[i]) == id; ++i) {
      const uint64_t record = buffer_.Record(late_[i]);
      end_offset = std::max(end_offset, offsets_.OffsetOf(record) + 1);
      flight->records.push_back({record, 1, Ended(late_[i])});
      offsets_.Ship(record);
      rows.push_back(late_[i]);
      in_hand += Ended(late_[i]);
    }
    const uint32_t added = gatherer.Add(id, rows, WEFT_FLAG_LATE);
    Leave(counters_.replaced, in_hand - added);
    Leave(counters_.kept, added);
    batch->ended += added;
    flight->traces.push_back({id, decisions_.Find(id).value_or(Verdict{}), end_offset});
  }
  gatherer.Finish();
  for (RowRef row : gatherer.superseded()) {
    offsets_.Count(buffer_.Record(row), RowFate::kReplaced);
    // Not among those that the exporters will have stored.
    const auto share = std::ranges::find_if(flight->records, [&](const auto& s) {
      return s.record == buffer_.Record(row) && s.ended != 0;
    });
    --share->ended;
  }
  for (RowRef row : late_) buffer_.Release(row);
  late_.clear();
  if (span_counts_) {
    const std::vector<uint8_t> all(batch->traces.n(), 1);
    span_counts_->Add(*batch, all, all, now_ns_);
  }
  Stage(std::move(batch), std::move(flight));
}

void TracePartition::Stage(std::unique_ptr<ExportBatch> batch, std::unique_ptr<Flight> flight) {
  if (flight->traces.empty()) return;
  WEFT_CHECK(flight->traces.size() == batch->traces.n());
  redactor_.Apply(batch->spans);
  for (const auto& trace : flight->traces) {
    batch->traces.weight.push_back(trace.verdict.weight);
    batch->traces.rule.push_back(batch->spans.Intern(decisions_.rules().Name(trace.verdict.rule)));
  }
  // One entry per record: rows of a batch come from few.
  std::ranges::sort(flight->records, {}, &Flight::Share::record);
  size_t last = 0;
  for (size_t i = 1; i < flight->records.size(); ++i) {
    const Flight::Share share = flight->records[i];
    if (share.record == flight->records[last].record) {
      flight->records[last].rows += share.rows;
      flight->records[last].ended += share.ended;
    } else {
      flight->records[++last] = share;
    }
  }
  flight->records.resize(last + 1);

  batch->partition = tenure_.partition;
  batch->generation = tenure_.generation;
  batch->number = flight->number = next_batch_++;
  batch->next_offset = offsets_.Undecided();
  batch->view = batch->spans.View();
  batch->bytes = batch->spans.MemoryBytes();
  staged_.push_back(std::move(batch));
  in_flight_.push_back(std::move(flight));
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
