// ShardMetrics: what one shard shows of itself, for as long as it exists.
//
// The counters and histograms are shared by all shards of a stage; the gauges are the partition's
// own and vanish with it. The shard's turn sets them, a few times a second; any thread reads.
#pragma once

#include <cstdint>

#include "engine/base/metrics.h"
#include "engine/transport/transport.h"

namespace weft::graph {

// "stitch" or "trace": the value of the label `stage`.
const char* StageLabel(transport::Stage stage);

class ShardMetrics {
 public:
  ShardMetrics(Metrics& metrics, transport::Stage stage, uint32_t partition);
  ~ShardMetrics();
  ShardMetrics(const ShardMetrics&) = delete;
  ShardMetrics& operator=(const ShardMetrics&) = delete;

  Counter& partitions;  // gauge
  Counter& read_bytes;
  Counter& written_bytes;
  Histogram& commit;
  PassingGauge lag, watermark_lag, buffered_spans, buffered_bytes;
};

}  // namespace weft::graph
