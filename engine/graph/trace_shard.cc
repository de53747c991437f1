#include "engine/graph/trace_shard.h"

#include <deque>
#include <map>
#include <utility>

namespace weft::graph {

using transport::Record;
using transport::Stream;

// Numbers of batches that every exporter is done with. They come in any order, because an exporter
// may drop what waits in its queue; they are handed on in the order of sending.
class TraceShard::Mailbox {
 public:
  void Sent(uint64_t number) {
    std::lock_guard lock(mutex_);
    sent_.push_back(number);
  }
  void Put(uint64_t number, bool everywhere) {
    std::lock_guard lock(mutex_);
    done_.emplace(number, everywhere);
  }
  std::vector<std::pair<uint64_t, bool>> Take() {
    std::lock_guard lock(mutex_);
    std::vector<std::pair<uint64_t, bool>> out;
    for (auto first = done_.begin(); first != done_.end() && first->first == sent_.front();
         first = done_.erase(first), sent_.pop_front())
      out.push_back(*first);
    return out;
  }
  // A batch was given up: neither it nor what follows may be acknowledged any more.
  std::atomic<bool> abandoned = false;

 private:
  std::mutex mutex_;
  std::deque<uint64_t> sent_;      // ascending; not handed on
  std::map<uint64_t, bool> done_;  // of those
};

// One batch on its way. Owners: a callback per exporter; the last one to sign acknowledges.
class TraceShard::Receipt {
 public:
  Receipt(size_t exporters, std::shared_ptr<Mailbox> mailbox, const trace::ExportBatch& batch,
          Counter& exported)
      : left_(exporters),
        mailbox_(std::move(mailbox)),
        number_(batch.number),
        rows_(batch.ended),
        exported_(exported) {}

  void Sign(Fate fate) {
    if (fate == Fate::kAbandoned) mailbox_->abandoned = true;
    if (fate != Fate::kExported) everywhere_ = false;
    if (left_.fetch_sub(1) != 1) return;
    if (everywhere_) exported_.Add(rows_);
    if (!mailbox_->abandoned) mailbox_->Put(number_, everywhere_);
  }

 private:
  std::atomic<size_t> left_;
  std::atomic<bool> everywhere_ = true;
  std::shared_ptr<Mailbox> mailbox_;
  const uint64_t number_;
  const uint64_t rows_;
  Counter& exported_;
};

TraceShard::TraceShard(transport::Transport& transport,
                       std::unique_ptr<transport::PartitionOwner> owner, const ShardLimits& limits,
                       std::vector<ExporterWorker*> exporters, Metrics& metrics, Logger& log)
    : Shard(transport, std::move(owner), limits, metrics),
      exporters_(std::move(exporters)),
      mailbox_(std::make_shared<Mailbox>()),
      all_metrics_(metrics),
      log_(log),
      exported_(metrics.Get("trace.exported")) {}

Result<std::unique_ptr<TraceShard>> TraceShard::TakeOver(
    transport::Transport& transport, uint32_t partition, const trace::TraceConfig& config,
    const ShardLimits& limits, std::vector<trace::Sampler> samplers,
    std::vector<ExporterWorker*> exporters, Metrics& metrics, Logger& log) {
  auto owner = transport.Own(transport::Stage::kTrace, partition);
  if (!owner) return Context(std::move(owner.error()), "trace partition");
  const trace::Tenure tenure{partition, (*owner)->generation(), (*owner)->start_offset(),
                             transport.LogTimeNs(), transport.partitions()};
  std::unique_ptr<TraceShard> shard(
      new TraceShard(transport, std::move(*owner), limits, std::move(exporters), metrics, log));
  shard->partition_ =
      std::make_unique<trace::TracePartition>(config, tenure, std::move(samplers), metrics, log);
  size_t unreadable = 0;
  for (Stream stream : {Stream::kDecisions, Stream::kState})
    WEFT_TRY(shard->ReadBack(stream, [&](const Record& record) {
      if (!shard->partition_->Restore(record)) ++unreadable;
    }));
  if (unreadable > 0)
    log.Error(std::to_string(unreadable) + " records of decisions and counts cannot be read");
  return shard;
}

// The step's commit failed: nobody will see its exports.
TraceShard::~TraceShard() {
  if (!partition_) return;
  for (const trace::ExportBatchPtr& batch : partition_->TakeExports())
    for (ExporterWorker* exporter : exporters_) exporter->HandOver(batch->ended);
}

void TraceShard::Drop() {
  Shard::Drop();
  give_up_ = true;
  for (ExporterWorker* exporter : exporters_)
    exporter->Forget(owner().partition(), owner().generation());
}

transport::Transaction TraceShard::Step(const std::vector<Record>& records, int64_t now_ns,
                                        bool caught_up) {
  for (const auto& [number, everywhere] : mailbox_->Take())
    partition_->Acknowledge(number, everywhere);
  for (const Record& record : records) partition_->Consume(record);
  if (leaving()) {
    left_ = true;
    partition_->Leave();
  }
  if (input_ended() && caught_up && !closing_) {
    closing_ = true;
    partition_->CloseAll();
  }
  return partition_->Tick(now_ns, caught_up);
}

void TraceShard::Committed() {
  for (const trace::ExportBatchPtr& batch : partition_->TakeExports()) {
    mailbox_->Sent(batch->number);
    if (exporters_.empty()) mailbox_->Put(batch->number, true);
    auto receipt = std::make_shared<Receipt>(exporters_.size(), mailbox_, *batch, exported_);
    for (ExporterWorker* exporter : exporters_)
      exporter->Push(
          batch, [receipt](Fate fate) { receipt->Sign(fate); }, &give_up_);
  }
}

void TraceShard::Replace(ShardPlugins& plugins) {
  partition_->Replace(std::move(plugins.samplers), all_metrics_, log_);
}

void TraceShard::ShowState(ShardMetrics& metrics) {
  metrics.watermark_lag.Set(partition_->WatermarkLagNs());
  metrics.buffered_spans.Set(static_cast<int64_t>(partition_->buffered_spans()));
  metrics.buffered_bytes.Set(static_cast<int64_t>(partition_->buffered_bytes()));
}

bool TraceShard::Ended() const {
  return mailbox_->abandoned || (closing_ && partition_->Idle()) ||
         (left_ && !partition_->InFlight());
}

}  // namespace weft::graph
