#include "engine/graph/stitch_shard.h"

#include <utility>

namespace weft::graph {

using transport::Record;
using transport::Stream;

Result<std::unique_ptr<StitchShard>> StitchShard::TakeOver(transport::Transport& transport,
                                                           uint32_t partition,
                                                           const stitch::StitchConfig& config,
                                                           const ShardLimits& limits,
                                                           std::vector<stitch::ChainLink> chain,
                                                           Metrics& metrics, Logger& log) {
  auto owner = transport.Own(transport::Stage::kStitch, partition);
  if (!owner) return Context(std::move(owner.error()), "stitch partition");
  std::unique_ptr<StitchShard> shard(new StitchShard(transport, std::move(*owner), limits));
  shard->partition_ =
      std::make_unique<stitch::StitchPartition>(config, partition, std::move(chain), metrics, log);
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
  return partition_->TakeTransaction();
}

void StitchShard::Abandon() {
  abandoned_ = true;
  partition_->Cancel();
  End();
}

void StitchShard::Committed() { drained_ = idle_; }

}  // namespace weft::graph
