// TraceShard: stage 2 of one partition between its log and the exporters' queues.
//
// Exports go out after the commit of the step that decided them; a full exporter queue makes the
// shard wait there, so nothing is read meanwhile. Acknowledgements come back from the exporters'
// threads through a mailbox that the next step empties. A shard that leaves decides nothing more
// and turns until what it has exported is acknowledged and committed, so that the next owner does
// not export it again; one that is dropped takes back what no exporter has begun with. See Shard
// for the turn.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/graph/exporter_worker.h"
#include "engine/graph/shard.h"
#include "engine/trace/trace_partition.h"

namespace weft::graph {

class TraceShard final : public Shard {
 public:
  // Takes the partition over: the decision log is read back. Exporters outlive the shard's turns.
  static Result<std::unique_ptr<TraceShard>> TakeOver(
      transport::Transport& transport, uint32_t partition, const trace::TraceConfig& config,
      const ShardLimits& limits, std::vector<trace::Sampler> samplers,
      std::vector<ExporterWorker*> exporters, Metrics& metrics, Logger& log);
  ~TraceShard() override;

  void Drop() override;

 private:
  class Mailbox;
  class Receipt;
  TraceShard(transport::Transport& transport, std::unique_ptr<transport::PartitionOwner> owner,
             const ShardLimits& limits, std::vector<ExporterWorker*> exporters, Metrics& metrics,
             Logger& log);

  transport::Transaction Step(const std::vector<transport::Record>& records, int64_t now_ns,
                              bool caught_up) override;
  void Committed() override;
  void ShowState(ShardMetrics& metrics) override;
  void Replace(ShardPlugins& plugins) override;
  bool Ended() const override;

  std::unique_ptr<trace::TracePartition> partition_;
  std::vector<ExporterWorker*> exporters_;
  std::shared_ptr<Mailbox> mailbox_;  // owners: the shard and the batches on their way
  Metrics& all_metrics_;
  Logger& log_;
  Counter& exported_;
  std::atomic<bool> give_up_ = false;  // of pushing: see Drop
  bool closing_ = false;
  bool left_ = false;  // nothing was decided in the last step
};

}  // namespace weft::graph
