#include "sources/replay/replay_source.h"

#include <chrono>
#include <utility>

#include "sources/replay/resharder.h"

namespace weft::sources {

using transport::OutRecord;
using transport::RecordType;

namespace {

// The batch without its truth, neither the column nor the values.
api::PayloadPtr WithoutTruth(const api::EventBatch& batch) {
  weft_spans spans = batch.spans.spans();
  spans.truth = nullptr;
  spans.truth_strings = nullptr;
  spans.n_truth_strings = 0;
  api::SpanTable table;
  api::RowCopier copier(spans, table);
  for (uint32_t row = 0; row < spans.n; ++row) copier.Copy(row);
  return api::EncodeEvents(batch.header, table);
}

}  // namespace

ReplaySource::ReplaySource(RecordingReader& reader, transport::Publisher& transport,
                           const ReplayOptions& options, const Clock& clock, Metrics& metrics)
    : reader_(reader),
      transport_(transport),
      options_(options),
      clock_(clock),
      records_(metrics.Get("replay.records")),
      observed_(metrics.Get("agent.observed")),
      announced_(metrics.Get("agent.announced")),
      undecodable_(metrics.Get("replay.undecodable_records")),
      corrupt_(metrics.Get("replay.corrupt_records")),
      receipt_(std::make_shared<PublishReceipt>(metrics)) {}

void ReplaySource::Stop() {
  std::lock_guard lock(mutex_);
  stop_ = true;
  wake_.notify_all();
}

bool ReplaySource::stopped() {
  std::lock_guard lock(mutex_);
  return stop_;
}

Result<void> ReplaySource::Run() {
  Resharder resharder(transport_.partitions());
  const bool split = reader_.header().partitions != transport_.partitions();
  while (auto record = reader_.Next()) {
    corrupt_.Set(reader_.totals().corrupt_records);
    if (record->type != RecordType::kEventBatch) continue;  // timers are the engine's own
    const bool was_published = WasPublished(record->append_ns);
    if (was_published && !split) continue;
    if (!was_published) WEFT_TRY(Pace(record->append_ns));
    auto batch = api::DecodeEvents(record->payload);
    if (was_published) {
      // Only for the sequences of what follows.
      if (batch) (void)resharder.Split(record->partition, *batch);
      continue;
    }
    records_.Add();
    if (batch && options_.drop_truth && batch->spans.spans().truth != nullptr) {
      record->payload = WithoutTruth(*batch);
      batch = api::DecodeEvents(record->payload);
    }
    if (!batch) {
      undecodable_.Add();
      continue;
    }
    const weft_spans& spans = batch->spans.spans();
    uint64_t open = 0;
    for (uint32_t i = 0; i < spans.n; ++i) open += (spans.flags[i] & WEFT_FLAG_OPEN) != 0;
    announced_.Add(open);
    const auto ended = static_cast<uint32_t>(spans.n - open);
    observed_.Add(ended);
    receipt_->Seal(ended);
    std::vector<OutRecord> parts;
    if (split) {
      parts = resharder.Split(record->partition, *batch);
    } else {
      OutRecord& out = parts.emplace_back();
      out.partition = record->partition;
      out.key = batch->header.agent_id;
      out.payload = std::move(record->payload);
      out.observations = ended;
    }
    Result<void> published;
    for (OutRecord& part : parts) {
      part.ticket = part.observations;
      part.receipt = receipt_;
      if (published) published = Publish(part);
      if (!published) part.Settle(false);
    }
    if (!published) return published;
  }
  corrupt_.Set(reader_.totals().corrupt_records);
  return {};
}

Result<void> ReplaySource::Publish(const OutRecord& record) {
  // Waits in slices, so that Stop is heard while the transport is full.
  while (true) {
    if (stopped()) return Fail(Code::kCancelled, "replay: stopped");
    auto result = transport_.Publish(record, transport_.LogTimeNs() + 100 * kMillisecond);
    if (result) return {};
    if (result.error().code != Code::kFull) return Context(std::move(result.error()), "replay");
  }
}

bool ReplaySource::WasPublished(int64_t append_ns) {
  std::lock_guard lock(mutex_);
  if (!began_) {
    began_ = true;
    first_append_ns_ = append_ns;
    began_ns_ = clock_.MonotonicNs();
    if (options_.begun_unix_ns > 0) began_ns_ -= clock_.UnixNs() - options_.begun_unix_ns;
  }
  return append_ns - first_append_ns_ < options_.from_ns;
}

Result<void> ReplaySource::Pace(int64_t append_ns) {
  std::unique_lock lock(mutex_);
  if (options_.speed > 0) {
    const auto due_ns =
        began_ns_ +
        static_cast<int64_t>(static_cast<double>(append_ns - first_append_ns_) / options_.speed);
    wake_.wait_for(lock, std::chrono::nanoseconds(due_ns - clock_.MonotonicNs()),
                   [this] { return stop_; });
  }
  if (stop_) return Fail(Code::kCancelled, "replay: stopped");
  return {};
}

}  // namespace weft::sources
