// Engine: both stages of weft over one Transport, or one of them, from weft.events to the
// exporters.
//
// Composed by `weft run`, `weft replay` and `weft engine` (engine/cli) and by tests: they own the
// transport, the exporters' instances and the services, which must outlive the Engine. Start joins
// the stages' groups; partitions are taken over and given back while it runs. Stop ends in order
// and loses nothing that its deadline allows. Start, Stop and the destructor from one thread;
// Stats, Failure from any.
//
// Threads: one that waits for input per stage and partition, one per stage that waits for its group
// (none where the stage is ours alone), one per exporter, and TBB's workers, which run the stages.
// All queues are bounded in bytes: records polled (poll_bytes per shard), traces in the buffer
// (TraceConfig::max_bytes per shard), batches before an exporter (export_queue_bytes each). A full
// one stops the polling, and the transport then the sources.
//
// Stop order where the stages are ours alone: sources refused (CloseSources) -> stage 1 drained:
// every record read, nothing pending
// -> stage 2 drained: every trace decided -> exporters: every batch acknowledged, flushed -> last
// offsets committed -> threads joined. Sources are stopped by the caller before.
// As a member of a group: nothing more read or decided -> what is decided committed -> exports
// acknowledged -> partitions released, groups left -> exporters flushed. The others go on from
// there: neither the end of the input nor that of any trace is waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
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
#include "engine/graph/stage_group.h"
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
  bool run_stitch = true;
  bool run_trace = true;
  int64_t hand_over_ns = 5'000'000'000;  // for a revoked partition to end in good order
};

struct EnginePlugins {
  // Makes the plugins of a shard that is taken over or renewed; from any thread, several at a time.
  std::function<Result<ShardPlugins>(transport::Stage stage, uint32_t partition)> make;
  std::vector<Exporter> exporters;  // shared by all shards; none where stage 2 does not run
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
  // Where the stages are ours alone, they run when this returns, or the first failure comes back.
  static Result<std::unique_ptr<Engine>> Start(const EngineConfig& config, EnginePlugins plugins,
                                               transport::Transport& transport, const Clock& clock,
                                               Metrics& metrics, Logger& log);
  // Stops at once where Stop was not called.
  ~Engine();

  // Drains (or leaves) and ends, by deadline_ns of the clock; what was left then is counted as
  // dropped, where nobody else will do it, and the result is kCancelled. The call of a plugin that
  // is in progress at the deadline is waited for. Further calls do nothing.
  Result<void> Stop(int64_t deadline_ns);

  // Each shard asks EnginePlugins::make for new plugins at the end of its turn, between two windows
  // or batches of traces, and goes on with those; where making them fails it keeps what it has, and
  // says so. From any thread.
  void RenewPlugins();

  EngineStats Stats() const;
  // Why the engine stopped by itself: a plugin or a transport failed; where the stages are ours
  // alone, a partition was taken over.
  std::optional<Error> Failure() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::graph
