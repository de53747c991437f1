// TracePartition: what is due is gathered, counted, judged, and staged for the exporters.
#include <algorithm>
#include <tuple>
#include <utility>

#include "engine/base/check.h"
#include "engine/trace/trace_gather.h"
#include "engine/trace/trace_partition.h"
#include "engine/trace/trace_weight.h"

namespace weft::trace {

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
  if (due_spans_ < config_.batch_spans) spare_.reset();  // its memory is worth keeping under load
  due_spans_ = 0;
}

void TracePartition::CloseSome(std::span<const uint32_t> slots) {
  auto batch = spare_ ? std::move(spare_) : std::make_unique<ExportBatch>();
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
    std::swap(batch, kept);
    kept->Clear();
    spare_ = std::move(kept);
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
  if (!config_.as_judged) redactor_.Apply(batch->spans);
  for (const auto& trace : flight->traces) {
    batch->traces.weight.push_back(trace.verdict.weight);
    batch->traces.rule.push_back(batch->spans.Intern(decisions_.rules().Name(trace.verdict.rule)));
  }
  if (!config_.as_judged) WriteThresholds(*batch);
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

}  // namespace weft::trace
