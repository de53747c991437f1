// Engine: both stages of weft over one Transport, from weft.events to the exporters.
//
// Composed by `weft run` and `weft replay` (engine/cli) and by tests: they own the transport, the
// plugin instances and the services, which must outlive the Engine. Start takes the partitions over
// and runs; Stop ends in order and loses nothing that its deadline allows. Start, Stop and the
// destructor from one thread; Stats, Failure from any.
//
// Threads: one that waits for input per stage and partition, one per exporter, and TBB's workers,
// which run the two stages. All queues are bounded in bytes: records polled (poll_bytes per shard),
// traces in the buffer (TraceConfig::max_bytes per shard), batches before an exporter
// (export_queue_bytes each). A full one stops the polling, and the transport then the sources.
//
// Stop order: sources refused (CloseSources) -> stage 1 drained: every record read, nothing pending
// -> stage 2 drained: every trace decided -> exporters: every batch acknowledged, flushed -> last
// offsets committed -> threads joined. Sources are stopped by the caller before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "engine/graph/exporter_worker.h"
#include "engine/stitch/stitch_partition.h"
#include "engine/trace/trace_partition.h"
#include "engine/transport/transport.h"

namespace weft::graph {

struct EngineConfig {
  stitch::StitchConfig stitch;
  trace::TraceConfig trace;
  ExporterConfig exporter;
  size_t poll_bytes = size_t{4} << 20;
  int64_t tick_ns = 100'000'000;  // how often time passes where no input comes
  unsigned threads = 0;           // TBB workers for the stages; 0: one per core
};

// One instance of each per partition: a shard's are never called at the same time.
struct ShardPlugins {
  std::vector<stitch::ChainLink> correlators;
  std::vector<trace::Sampler> samplers;
};
struct EnginePlugins {
  std::vector<ShardPlugins> shards;  // one per partition of the transport
  std::vector<Exporter> exporters;
};

// For a line of progress.
struct EngineStats {
  uint64_t observations = 0;  // rows read by stage 1
  uint64_t spans = 0;         // spans of closed traces
  uint64_t traces = 0;        // closed
  uint64_t exported = 0;      // spans durable in every exporter
  uint64_t pending = 0;       // observations and spans not decided or not exported yet
  uint64_t lost = 0;          // counted losses of stages and exporters
};

class Engine {
 public:
  // Refuses a configuration where the shards do not fit the transport.
  static Result<std::unique_ptr<Engine>> Start(const EngineConfig& config, EnginePlugins plugins,
                                               transport::Transport& transport, const Clock& clock,
                                               Metrics& metrics, Logger& log);
  // Stops at once where Stop was not called.
  ~Engine();

  // Drains and ends, by deadline_ns of the clock; what was left then is counted as dropped and the
  // result is kCancelled. The call of a plugin that is in progress at the deadline is waited for.
  // Further calls do nothing.
  Result<void> Stop(int64_t deadline_ns);

  EngineStats Stats() const;
  // Why the engine stopped by itself: a partition was taken over, a transport failed.
  std::optional<Error> Failure() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::graph
