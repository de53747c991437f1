#include "engine/graph/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/base/large_pages.h"
#include "engine/graph/stage_group.h"
#include "engine/graph/stage_loop.h"
#include "engine/graph/stitch_shard.h"
#include "engine/graph/trace_shard.h"

namespace weft::graph {

using transport::Stage;

struct Engine::Impl {
  Impl(const EngineConfig& e, EnginePlugins p, transport::Transport& t, const Clock& c, Metrics& m,
       Logger& l)
      : config(e),
        plugins(std::move(p)),
        transport(t),
        clock(c),
        metrics(m),
        log(l),
        workers(config.threads) {
    config.stitch.partitions = transport.partitions();
  }

  Result<void> Start();
  Result<std::unique_ptr<StageGroup>> Join(Stage stage);
  void StartExporters(bool handed_over);
  Result<std::unique_ptr<Shard>> TakeOver(Stage stage, uint32_t partition);
  Shard::Renewal RenewalOf(Stage stage, uint32_t partition, uint64_t version);
  bool DrainStitch(int64_t deadline_ns);
  bool DrainTrace(int64_t deadline_ns);
  bool LeaveGroups(int64_t deadline_ns);
  void StopExporters(int64_t deadline_ns);
  template <typename Done>
  bool WaitFor(int64_t deadline_ns, Done done);
  std::optional<Error> Failure() const;

  EngineConfig config;
  const EnginePlugins plugins;
  transport::Transport& transport;
  const Clock& clock;
  Metrics& metrics;
  Logger& log;
  Workers workers;
  std::vector<std::unique_ptr<ExporterWorker>> exporters;
  std::vector<ExporterWorker*> sinks;
  std::unique_ptr<StageGroup> stitch, trace;  // null: does not run here
  std::atomic<uint64_t> plugins_version = 0;
  bool stopped = false;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() {
  if (impl_) (void)Stop(INT64_MIN);
}

Result<std::unique_ptr<Engine>> Engine::Start(const EngineConfig& config, EnginePlugins plugins,
                                              transport::Transport& transport, const Clock& clock,
                                              Metrics& metrics, Logger& log) {
  KeepFreedMemory();
  auto impl = std::make_unique<Impl>(config, std::move(plugins), transport, clock, metrics, log);
  if (auto started = impl->Start(); !started) return Context(std::move(started.error()), "engine");
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<void> Engine::Impl::Start() {
  if (config.run_trace) {
    auto group = Join(Stage::kTrace);
    if (!group) return std::unexpected(std::move(group.error()));
    trace = std::move(*group);
    StartExporters(!trace->exclusive());
    WEFT_TRY(trace->Start());
  }
  if (config.run_stitch) {
    auto group = Join(Stage::kStitch);
    if (!group) return std::unexpected(std::move(group.error()));
    stitch = std::move(*group);
    config.stitch.taken_over = !stitch->exclusive();
    WEFT_TRY(stitch->Start());
  }
  return {};
}

Result<std::unique_ptr<StageGroup>> Engine::Impl::Join(Stage stage) {
  auto membership = transport.Join(stage);
  if (!membership) return std::unexpected(std::move(membership.error()));
  return std::make_unique<StageGroup>(
      stage, std::move(*membership),
      [this, stage](uint32_t partition) { return TakeOver(stage, partition); }, config.hand_over_ns,
      workers, transport, clock, metrics, log);
}

void Engine::Impl::StartExporters(bool handed_over) {
  ExporterConfig exporting = config.exporter;
  exporting.handed_over = handed_over;
  for (const Exporter& exporter : plugins.exporters) {
    exporters.push_back(std::make_unique<ExporterWorker>(exporting, exporter, clock, metrics, log));
    sinks.push_back(exporters.back().get());
  }
}

Result<std::unique_ptr<Shard>> Engine::Impl::TakeOver(Stage stage, uint32_t partition) {
  const ShardLimits limits{config.poll_bytes, config.tick_ns};
  const int64_t begin_ns = clock.MonotonicNs();
  const uint64_t version = plugins_version;  // before they are made
  auto made = plugins.make(stage, partition);
  if (!made) return std::unexpected(std::move(made.error()));
  std::unique_ptr<Shard> taken;
  if (stage == Stage::kStitch) {
    auto shard = StitchShard::TakeOver(transport, partition, config.stitch, limits,
                                       std::move(made->correlators), metrics, log);
    if (!shard) return std::unexpected(std::move(shard.error()));
    taken = std::move(*shard);
  } else {
    auto shard = TraceShard::TakeOver(transport, partition, config.trace, limits,
                                      std::move(made->samplers), sinks, metrics, log);
    if (!shard) return std::unexpected(std::move(shard.error()));
    taken = std::move(*shard);
  }
  taken->Keep(std::move(made->instances), RenewalOf(stage, partition, version));
  metrics.GetHistogram(fmt::format("stage.takeover_ns{{stage={}}}", StageLabel(stage)))
      .Observe(clock.MonotonicNs() - begin_ns);
  return taken;
}

Shard::Renewal Engine::Impl::RenewalOf(Stage stage, uint32_t partition, uint64_t version) {
  return [=, this, seen = version]() mutable -> std::optional<ShardPlugins> {
    const uint64_t now = plugins_version;
    if (now == seen) return std::nullopt;
    seen = now;
    auto made = plugins.make(stage, partition);
    if (made) return std::move(*made);
    log.Error(fmt::format("{} partition {} keeps its plugins: {}", StageLabel(stage), partition,
                          made.error().message));
    return std::nullopt;
  };
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
  stitch->ForEach([](Shard& shard) { shard.Finish(); });
  uint32_t behind = 0, all = 0;
  const auto drained = [&] {
    behind = all = 0;
    stitch->ForEach([&](Shard& shard) {
      ++all;
      behind += !shard.Drained();
    });
    return behind == 0;
  };
  const bool in_time = WaitFor(deadline_ns, drained);
  stitch->ForEach([&](Shard& shard) { in_time ? shard.End() : shard.Leave(); });
  stitch->Join();
  if (in_time) return true;
  const uint64_t left = metrics.Get("stitch.pending").Get();
  metrics.Get("stitch.lost_at_stop").Add(left);
  log.Error(fmt::format(
      "stop: {} of {} partitions were behind; {} observations were read but not decided in time",
      behind, all, left));
  return false;
}

bool Engine::Impl::DrainTrace(int64_t deadline_ns) {
  for (auto& exporter : exporters) exporter->SetDeadline(deadline_ns);
  trace->ForEach([](Shard& shard) { shard.Finish(); });
  // Past the deadline the exporters drop and count what is left, so that this ends soon after it.
  trace->Join();
  return !Failure() && clock.MonotonicNs() < deadline_ns;
}

// Both at once: neither waits for the other's end.
bool Engine::Impl::LeaveGroups(int64_t deadline_ns) {
  for (StageGroup* group : {stitch.get(), trace.get()})
    if (group != nullptr) group->Leave(deadline_ns);
  for (StageGroup* group : {stitch.get(), trace.get()})
    if (group != nullptr) group->Join();
  return clock.MonotonicNs() < deadline_ns;
}

void Engine::Impl::StopExporters(int64_t deadline_ns) {
  for (auto& exporter : exporters) exporter->SetDeadline(deadline_ns);
  for (auto& exporter : exporters) exporter->Stop(deadline_ns);
}

std::optional<Error> Engine::Impl::Failure() const {
  for (const StageGroup* group : {stitch.get(), trace.get()})
    if (group != nullptr)
      if (auto failure = group->Failure()) return failure;
  return std::nullopt;
}

// The one place that says in which order everything ends; see the header.
Result<void> Engine::Stop(int64_t deadline_ns) {
  if (impl_->stopped) return {};
  impl_->stopped = true;
  impl_->transport.CloseSources();
  bool in_time = true;
  const auto ours = [](const auto& group) { return group && group->exclusive(); };
  if (ours(impl_->stitch)) in_time &= impl_->DrainStitch(deadline_ns);
  if (ours(impl_->trace)) in_time &= impl_->DrainTrace(deadline_ns);
  in_time &= impl_->LeaveGroups(deadline_ns);
  impl_->StopExporters(deadline_ns);
  if (auto failure = impl_->Failure()) return std::unexpected(std::move(*failure));
  if (!in_time)
    return Fail(Code::kCancelled,
                "the engine stopped before everything was stored; see the ledger");
  return {};
}

std::optional<Error> Engine::Failure() const { return impl_->Failure(); }

void Engine::RenewPlugins() { ++impl_->plugins_version; }

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
  if (impl_->stitch)
    impl_->stitch->ForEach([&](Shard& shard) { stats.pending += shard.BufferedSpans(); });
  return stats;
}

}  // namespace weft::graph
