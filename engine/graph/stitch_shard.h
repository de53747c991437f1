// StitchShard: stage 1 of one partition between its logs. See Shard for the turn.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "engine/graph/shard.h"
#include "engine/stitch/stitch_partition.h"

namespace weft::graph {

class StitchShard final : public Shard {
 public:
  // Takes the partition over: labels and learned state are read back.
  static Result<std::unique_ptr<StitchShard>> TakeOver(transport::Transport& transport,
                                                       uint32_t partition,
                                                       const stitch::StitchConfig& config,
                                                       const ShardLimits& limits,
                                                       std::vector<stitch::ChainLink> chain,
                                                       Metrics& metrics, Logger& log);

  bool Drained() const override { return drained_; }
  // A step in progress ends after the window in hand; what was learned is saved.
  void Leave() override;
  void Drop() override;
  uint64_t BufferedSpans() const override { return buffered_; }

 private:
  StitchShard(transport::Transport& transport, std::unique_ptr<transport::PartitionOwner> owner,
              const ShardLimits& limits, Metrics& metrics);

  transport::Transaction Step(const std::vector<transport::Record>& records, int64_t now_ns,
                              bool caught_up) override;
  bool WantsInput() override { return partition_->WantsInput(); }
  void Committed() override;
  bool Ended() const override { return left_; }
  void ShowState(ShardMetrics& metrics) override;
  void Replace(ShardPlugins& plugins) override;

  std::unique_ptr<stitch::StitchPartition> partition_;
  Metrics& all_metrics_;
  PassingGauge open_windows_, pending_links_;
  bool finished_ = false;
  bool idle_ = false;
  bool left_ = false;
  std::atomic<bool> drained_ = false;
  std::atomic<bool> abandoned_ = false;
  std::atomic<uint64_t> buffered_ = 0;
};

}  // namespace weft::graph
