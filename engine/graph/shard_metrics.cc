#include "engine/graph/shard_metrics.h"

#include <fmt/format.h>

namespace weft::graph {
namespace {

std::string OfStage(std::string_view name, transport::Stage stage) {
  return fmt::format("{}{{stage={}}}", name, StageLabel(stage));
}

std::string OfPartition(std::string_view name, transport::Stage stage, uint32_t partition) {
  return fmt::format("{}{{stage={},partition={}}}", name, StageLabel(stage), partition);
}

}  // namespace

const char* StageLabel(transport::Stage stage) {
  return stage == transport::Stage::kStitch ? "stitch" : "trace";
}

ShardMetrics::ShardMetrics(Metrics& m, transport::Stage stage, uint32_t partition)
    : partitions(m.Get(OfStage("stage.partitions", stage))),
      read_bytes(m.Get(OfStage("stage.read_bytes", stage))),
      written_bytes(m.Get(OfStage("stage.written_bytes", stage))),
      commit(m.GetHistogram(OfStage("stage.commit_ns", stage))),
      lag(m, OfPartition("stage.lag_ns", stage, partition)),
      watermark_lag(m, OfPartition("stage.watermark_lag_ns", stage, partition)),
      buffered_spans(m, OfPartition("stage.buffered_spans", stage, partition)),
      buffered_bytes(m, OfPartition("stage.buffered_bytes", stage, partition)) {
  partitions.Add();
}

ShardMetrics::~ShardMetrics() { partitions.Add(UINT64_MAX); }  // one less

}  // namespace weft::graph
