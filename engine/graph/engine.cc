#include "engine/graph/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/graph/stage_loop.h"
#include "engine/graph/stitch_shard.h"
#include "engine/graph/trace_shard.h"

namespace weft::graph {

struct Engine::Impl {
  Impl(transport::Transport& t, const Clock& c, Metrics& m, Logger& l)
      : transport(t), clock(c), metrics(m), log(l) {}

  Result<void> TakeOver(const EngineConfig& config, EnginePlugins plugins);
  void Run(unsigned threads);
  bool DrainStitch(int64_t deadline_ns);
  bool DrainTrace(int64_t deadline_ns);
  template <typename Done>
  bool WaitFor(int64_t deadline_ns, Done done);
  std::optional<Error> Failure() const;

  transport::Transport& transport;
  const Clock& clock;
  Metrics& metrics;
  Logger& log;
  std::vector<std::unique_ptr<ExporterWorker>> exporters;
  std::vector<std::unique_ptr<StitchShard>> stitch;
  std::vector<std::unique_ptr<TraceShard>> trace;
  std::unique_ptr<Workers> workers;
  std::unique_ptr<StageLoop> stitch_loop, trace_loop;
  std::atomic<bool> trace_joined = false;
  bool stopped = false;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() {
  if (impl_) (void)Stop(INT64_MIN);
}

Result<std::unique_ptr<Engine>> Engine::Start(const EngineConfig& config, EnginePlugins plugins,
                                              transport::Transport& transport, const Clock& clock,
                                              Metrics& metrics, Logger& log) {
  if (plugins.shards.size() != transport.partitions())
    return Fail(Code::kInvalid,
                fmt::format("engine: plugins for {} shards, but the transport has {} partitions",
                            plugins.shards.size(), transport.partitions()));
  auto impl = std::make_unique<Impl>(transport, clock, metrics, log);
  if (auto taken = impl->TakeOver(config, std::move(plugins)); !taken)
    return Context(std::move(taken.error()), "engine");
  impl->Run(config.threads);
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<void> Engine::Impl::TakeOver(const EngineConfig& config, EnginePlugins plugins) {
  const ShardLimits limits{config.poll_bytes, config.tick_ns};
  std::vector<ExporterWorker*> sinks;
  for (Exporter& exporter : plugins.exporters) {
    exporters.push_back(std::make_unique<ExporterWorker>(config.exporter, std::move(exporter),
                                                         clock, metrics, log));
    sinks.push_back(exporters.back().get());
  }
  stitch::StitchConfig stitch_config = config.stitch;
  stitch_config.partitions = transport.partitions();
  for (uint32_t p = 0; p < transport.partitions(); ++p) {
    int64_t begin_ns = clock.MonotonicNs();
    auto one = StitchShard::TakeOver(transport, p, stitch_config, limits,
                                     std::move(plugins.shards[p].correlators), metrics, log);
    if (!one) return std::unexpected(std::move(one.error()));
    stitch.push_back(std::move(*one));
    metrics.GetHistogram("stage.takeover_ns{stage=stitch}").Observe(clock.MonotonicNs() - begin_ns);
    begin_ns = clock.MonotonicNs();
    auto two = TraceShard::TakeOver(transport, p, config.trace, limits,
                                    std::move(plugins.shards[p].samplers), sinks, metrics, log);
    if (!two) return std::unexpected(std::move(two.error()));
    trace.push_back(std::move(*two));
    metrics.GetHistogram("stage.takeover_ns{stage=trace}").Observe(clock.MonotonicNs() - begin_ns);
  }
  return {};
}

void Engine::Impl::Run(unsigned threads) {
  std::vector<Shard*> one, two;
  for (auto& shard : stitch) one.push_back(shard.get());
  for (auto& shard : trace) two.push_back(shard.get());
  workers = std::make_unique<Workers>(threads);
  stitch_loop = std::make_unique<StageLoop>(std::move(one), *workers);
  trace_loop = std::make_unique<StageLoop>(std::move(two), *workers);
  trace_loop->Start();
  stitch_loop->Start();
}

template <typename Done>
bool Engine::Impl::WaitFor(int64_t deadline_ns, Done done) {
  while (!done()) {
    if (clock.MonotonicNs() >= deadline_ns || Failure()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

bool Engine::Impl::DrainStitch(int64_t deadline_ns) {
  for (auto& shard : stitch) shard->Finish();
  const bool drained = WaitFor(deadline_ns, [&] {
    return std::ranges::all_of(stitch, [](auto& s) { return s->Drained(); });
  });
  uint32_t behind = 0;
  for (auto& shard : stitch) {
    behind += !shard->Drained();
    drained ? shard->End() : shard->Abandon();
  }
  stitch_loop->Join();
  if (drained) return true;
  const uint64_t left = metrics.Get("stitch.pending").Get();
  metrics.Get("stitch.lost_at_stop").Add(left);
  log.Error(fmt::format(
      "stop: {} of {} partitions were behind; {} observations were read but not decided in time",
      behind, stitch.size(), left));
  return false;
}

bool Engine::Impl::DrainTrace(int64_t deadline_ns) {
  for (auto& exporter : exporters) exporter->SetDeadline(deadline_ns);
  for (auto& shard : trace) shard->Finish();
  // Past the deadline the exporters drop and count what is left, so that this ends soon after it.
  trace_loop->Join();
  for (auto& exporter : exporters) exporter->Stop(deadline_ns);
  return !Failure() && clock.MonotonicNs() < deadline_ns;
}

std::optional<Error> Engine::Impl::Failure() const {
  for (const auto& shard : stitch)
    if (auto failure = shard->failure()) return failure;
  for (const auto& shard : trace)
    if (auto failure = shard->failure()) return failure;
  return std::nullopt;
}

// The one place that says in which order everything ends; see the header.
Result<void> Engine::Stop(int64_t deadline_ns) {
  if (impl_->stopped) return {};
  impl_->stopped = true;
  impl_->transport.CloseSources();
  const bool stitched = impl_->DrainStitch(deadline_ns);
  const bool traced = impl_->DrainTrace(deadline_ns);
  if (auto failure = impl_->Failure()) return std::unexpected(std::move(*failure));
  if (!stitched || !traced)
    return Fail(Code::kCancelled,
                "the engine stopped before everything was stored; see the ledger");
  return {};
}

std::optional<Error> Engine::Failure() const { return impl_->Failure(); }

EngineStats Engine::Stats() const {
  EngineStats stats;
  for (const auto& [name, value] : impl_->metrics.Snapshot()) {
    if (name == "stitch.spans")
      stats.observations = value;
    else if (name == "trace.kept" || name == "trace.sampled_out")
      stats.spans += value;
    else if (name == "trace.closed")
      stats.traces = value;
    else if (name == "trace.exported")
      stats.exported = value;
    else if (name == "trace.pending")
      stats.pending += value;
    else if (name.starts_with("sink.dropped") || name == "stitch.lost_at_stop" ||
             name == "stitch.bad_records" || name == "trace.bad_records")
      stats.lost += value;
  }
  for (const auto& shard : impl_->stitch) stats.pending += shard->BufferedSpans();
  return stats;
}

}  // namespace weft::graph
