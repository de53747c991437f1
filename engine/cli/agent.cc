// `weft agent`: the sources of one host, publishing to Kafka.
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/ebpf_run.h"
#include "engine/cli/ebpf_settings.h"
#include "engine/cli/intake_run.h"
#include "engine/cli/memory_keeper.h"
#include "engine/cli/progress_line.h"
#include "engine/cli/reload.h"
#include "engine/cli/run_options.h"
#include "engine/cli/run_summary.h"
#include "engine/cli/stop_signal.h"
#include "engine/cli/transport_choice.h"
#include "engine/telemetry/health.h"
#include "engine/telemetry/metrics_server.h"
#include "engine/transport/kafka_options.h"
#include "sources/publisher.h"
#include "sources/replay/replay_source.h"

namespace weft::cli {
namespace {

constexpr int64_t kLookInterval = 100 * kMillisecond;
constexpr int64_t kProgressInterval = 500 * kMillisecond;
// The source's own queue, and what no broker has acknowledged.
constexpr uint64_t kQueueBytes = sources::kPublisherQueueBytes + transport::kKafkaPublishBytes;

// A recording in place of the kernel: published by a thread of its own.
class ReplayRun {
 public:
  static Result<std::unique_ptr<ReplayRun>> Start(const std::string& file,
                                                  const sources::ReplayOptions& options,
                                                  transport::Publisher& transport,
                                                  const plugin::Services& services) {
    if (!std::filesystem::exists(file))
      return Fail(Code::kNotFound, fmt::format("{}: no such recording", file));
    auto reader = sources::RecordingReader::Open(file);
    if (!reader) return std::unexpected(reader.error());
    return std::unique_ptr<ReplayRun>(
        new ReplayRun(std::move(*reader), options, transport, services));
  }
  ~ReplayRun() { (void)Stop(); }

  bool finished() const { return finished_; }
  Result<void> Stop() {
    const bool early = !finished_;
    source_.Stop();
    if (thread_.joinable()) thread_.join();
    return early ? Result<void>() : outcome_;
  }

 private:
  ReplayRun(sources::RecordingReader reader, const sources::ReplayOptions& options,
            transport::Publisher& transport, const plugin::Services& services)
      : reader_(std::move(reader)),
        source_(reader_, transport, options, services.clock, services.metrics),
        thread_([this] {
          outcome_ = source_.Run();
          finished_ = true;
        }) {}

  sources::RecordingReader reader_;
  sources::ReplaySource source_;
  Result<void> outcome_;
  std::atomic<bool> finished_ = false;
  std::thread thread_;
};

class Agent final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "agent", "Publish what the programs on this host do to Kafka, for `weft engine`",
        "Watches like `weft run`, but links nothing: one on each host. What Kafka does not take at "
        "once\nwaits in a bounded queue, with --spool on disk, where it survives a restart; what "
        "does "
        "not fit\nthere is dropped, oldest first, and counted. SIGTERM or Ctrl-C publishes what "
        "was seen and ends; a second "
        "one ends\nat once. Needs root, see `weft doctor`.",
        "weft agent --brokers kafka:9092                          # everything on this host\n"
        "weft agent --config weft.yaml --metrics 127.0.0.1:9464 --spool /var/lib/weft/spool\n"
        "weft agent --brokers kafka:9092 --replay shop.weft.zst --pace 1   # a recording instead"};
  }
  void Declare(Options& options) override {
    shared_.DeclareConfig(options);
    shared_.DeclareKafka(options);
    shared_.DeclareSource(options);
    shared_.DeclareOtlp(options);
    shared_.DeclareMetrics(options);
    options.Text("--replay", &replay_, "Publish this recording, then end", "FILE");
    options.Number("--pace", &pace_, 0, 1e6,
                   "Times the recording's speed; 0: as fast as Kafka takes it");
    options.Duration("--replay-from", &replay_from_ns_,
                     "Leave out what was recorded so soon after the recording's begin");
    options.Int("--replay-begun", &replay_begun_, 0, INT32_MAX,
                "Unix time when the recording's begin was, or would have been, published: what is "
                "late by now is published at once");
    options.Duration("--duration", &duration_ns_, "End after this time (default: at Ctrl-C)");
    options.Duration("--stop-timeout", &stop_timeout_ns_,
                     "How long Kafka may take to acknowledge what was published before the end");
    options.Text("--json-summary", &json_summary_, "Write the figures of the run there at its end",
                 "FILE");
    options.Text("--spool", &spool_,
                 "Keep there what Kafka has not acknowledged, instead of spool.path", "DIR");
    options.Flag("--quiet", &quiet_, "Nothing on stderr but warnings and errors");
  }

  Result<int> Run(CommandContext& context) override {
    auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    const Config as_loaded = *config;
    if (!spool_.empty()) config->spool.path = spool_;
    WEFT_TRY(RequireKafka(*config, "agent"));
    WEFT_TRY(IntakeRun::CheckIntoTopic(*config));
    const bool live = replay_.empty() && config->ebpf.enabled;
    if (replay_.empty() && !live && !IntakeRun::Wanted(*config))
      return Fail(Code::kInvalid, "sources.ebpf.enabled is false, so there is nothing to trace");
    if (live) WEFT_TRY(EbpfRun::CheckHost(context.log));
    StopSignal stop(shared_.has_file() ? StopSignal::Hangup::kReloads : StopSignal::Hangup::kStops);
    SetLogLevel(context, *config);
    Metrics metrics;
    Reload reload(shared_, as_loaded, context, metrics);
    const plugin::Services services{context.log, metrics, context.clock};
    telemetry::Health health(context.clock);
    health.Pending("kafka", "connecting");
    const auto server = telemetry::StartMetricsServer(config->metrics.listen,
                                                      {WEFT_VERSION, "agent"}, metrics, health);
    if (!server) return std::unexpected(server.error());
    MemoryShare share;
    MemoryKeeper memory(share, services);
    memory.Begin({.transport_bytes = kQueueBytes}, *config);
    auto transport = OpenPublisher(
        *config, services, [&](int64_t ns) { return health.Beat(), stop.Wait(ns); },
        stop_timeout_ns_, !replay_.empty(), &share);
    if (!transport && transport.error().code == Code::kCancelled) return kExitOk;
    if (!transport) return std::unexpected(transport.error());
    health.Ready("kafka");

    std::unique_ptr<EbpfRun> ebpf;
    std::unique_ptr<ReplayRun> replay;
    if (live) {
      auto started = EbpfRun::Start(*config, "", **transport, services, &share);
      if (!started) return std::unexpected(started.error());
      ebpf = std::move(*started);
    } else if (!replay_.empty()) {
      auto started = ReplayRun::Start(
          replay_,
          {.speed = pace_, .from_ns = replay_from_ns_, .begun_unix_ns = replay_begun_ * kSecond},
          **transport, services);
      if (!started) return std::unexpected(started.error());
      replay = std::move(*started);
    }
    Say(fmt::format("publishing {} to {} (Ctrl-C ends)",
                    ebpf     ? DescribeSelection(config->ebpf)
                    : replay ? replay_
                             : "what is reported",
                    fmt::join(config->kafka.brokers, ",")));
    if (ebpf) Say(fmt::format("hooks: {}", ebpf->hooks()));
    auto intake = IntakeRun::IntoTopic(*config, services);
    if (!intake) return std::unexpected(intake.error());
    if (const std::string at = (*intake)->Describe(); !at.empty()) Say(fmt::format("takes {}", at));
    if (*server) Say(fmt::format("metrics: http://{}/metrics", (*server)->address().Text()));

    const int64_t begun_ns = context.clock.MonotonicNs();
    Watch(context.clock, stop, metrics, health, replay.get(), memory,
          [&] { Say(reload.Run(nullptr, ebpf.get())); });
    health.Stopping();
    intake->reset();
    const Result<void> stopped = ebpf ? ebpf->Stop() : replay ? replay->Stop() : Result<void>();
    transport->reset();  // waits for what was published to be acknowledged
    WEFT_TRY(Summarise(metrics, context.clock.MonotonicNs() - begun_ns));
    WEFT_TRY(stopped);
    return kExitOk;
  }

 private:
  void Say(std::string_view line) const {
    if (!quiet_ && !line.empty()) PrintNote(fmt::format("weft: {}\n", line));
  }

  // Until a signal, the duration, or the recording's end.
  void Watch(const Clock& clock, StopSignal& stop, Metrics& metrics, telemetry::Health& health,
             const ReplayRun* replay, MemoryKeeper& memory,
             const std::function<void()>& reload) const {
    ProgressLine progress(stderr, !quiet_);
    const int64_t begun = clock.MonotonicNs();
    const int64_t end = duration_ns_ > 0 ? begun + duration_ns_ : INT64_MAX;
    int64_t shown_ns = begun;
    while (replay == nullptr || !replay->finished()) {
      health.Beat();
      memory.Keep();
      const int64_t now = clock.MonotonicNs();
      if (now >= end || stop.Wait(std::min(kLookInterval, end - now))) return;
      if (stop.TakeReload()) reload();
      if (!progress.active() || now - shown_ns < kProgressInterval) continue;
      shown_ns = now;
      progress.Show(fmt::format("{}  {} observations  {} waiting  {} dropped",
                                ShortDuration(now - begun), metrics.Get("agent.observed").Get(),
                                metrics.Get("agent.queued").Get(),
                                metrics.Get("agent.dropped").Get()));
    }
  }

  Result<void> Summarise(const Metrics& metrics, int64_t elapsed_ns) const {
    RunSummary summary;
    summary.counters = metrics.Snapshot();
    summary.elapsed_ns = elapsed_ns;
    MeasureProcess(&summary);
    if (!quiet_)
      PrintNote(fmt::format(
          "{} observations in {}; weft used {:.2f} cores and {:.0f} MB\n"
          "ledger: {}\n",
          TotalLedger(summary.counters).observed, ShortDuration(elapsed_ns), summary.CpuCores(),
          summary.max_rss_mb, LedgerLine(TotalLedger(summary.counters))));
    return json_summary_.empty() ? Result<void>() : WriteTextFile(json_summary_, summary.Json());
  }

  RunOptions shared_;
  std::string replay_, json_summary_, spool_;
  double pace_ = 0;
  int64_t replay_from_ns_ = 0, replay_begun_ = 0;
  int64_t duration_ns_ = 0;
  int64_t stop_timeout_ns_ = 10 * kSecond;
  bool quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeAgent() { return std::make_unique<Agent>(); }

}  // namespace weft::cli
