#include "engine/graph/stitch_shard.h"

#include <utility>

#include <fmt/format.h>

namespace weft::graph {

using transport::Record;
using transport::Stream;

StitchShard::StitchShard(transport::Transport& transport,
                         std::unique_ptr<transport::PartitionOwner> taken,
                         const ShardLimits& limits, Metrics& metrics)
    : Shard(transport, std::move(taken), limits, metrics),
      all_metrics_(metrics),
      open_windows_(metrics,
                    fmt::format("stitch.open_windows{{partition={}}}", owner().partition())),
      pending_links_(metrics,
                     fmt::format("stitch.pending_links{{partition={}}}", owner().partition())) {}

Result<std::unique_ptr<StitchShard>> StitchShard::TakeOver(transport::Transport& transport,
                                                           uint32_t partition,
                                                           const stitch::StitchConfig& config,
                                                           const ShardLimits& limits,
                                                           std::vector<stitch::ChainLink> chain,
                                                           Metrics& metrics, Logger& log) {
  auto owner = transport.Own(transport::Stage::kStitch, partition);
  if (!owner) return Context(std::move(owner.error()), "stitch partition");
  std::unique_ptr<StitchShard> shard(
      new StitchShard(transport, std::move(*owner), limits, metrics));
  shard->partition_ =
      std::make_unique<stitch::StitchPartition>(config, partition, std::move(chain), metrics, log);
  shard->partition_->TookOver(transport.LogTimeNs());
  for (Stream stream : {Stream::kLabels, Stream::kState})
    WEFT_TRY(
        shard->ReadBack(stream, [&](const Record& record) { shard->partition_->Restore(record); }));
  return shard;
}

transport::Transaction StitchShard::Step(const std::vector<Record>& records, int64_t now_ns,
                                         bool caught_up) {
  for (const Record& record : records) {
    if (abandoned_) break;
    partition_->Consume(record);
  }
  if (caught_up && !abandoned_) {
    if (input_ended() && !finished_) {
      finished_ = true;
      partition_->Finish(now_ns);
    }
    partition_->Tick(now_ns);
  }
  idle_ = finished_ && partition_->Idle();
  buffered_ = partition_->BufferedSpans();
  if (abandoned_) {
    left_ = true;
    partition_->SaveStates();
  }
  return partition_->TakeTransaction();
}

void StitchShard::Leave() {
  abandoned_ = true;
  partition_->Cancel();
  Shard::Leave();
}

void StitchShard::Drop() {
  Shard::Drop();
  Leave();
}

void StitchShard::ShowState(ShardMetrics& metrics) {
  metrics.watermark_lag.Set(partition_->WatermarkLagNs());
  metrics.buffered_spans.Set(static_cast<int64_t>(partition_->BufferedSpans()));
  metrics.buffered_bytes.Set(static_cast<int64_t>(partition_->BufferedBytes()));
  open_windows_.Set(static_cast<int64_t>(partition_->OpenWindows()));
  pending_links_.Set(static_cast<int64_t>(partition_->PendingLinks()));
}

void StitchShard::Replace(ShardPlugins& plugins) {
  partition_->Replace(std::move(plugins.correlators), all_metrics_);
}

void StitchShard::Committed() { drained_ = idle_; }

}  // namespace weft::graph
