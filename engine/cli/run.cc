#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/ebpf_run.h"
#include "engine/cli/ebpf_settings.h"
#include "engine/cli/intake_run.h"
#include "engine/cli/reload.h"
#include "engine/cli/run_options.h"
#include "engine/cli/run_session.h"
#include "engine/cli/transport_choice.h"
#include "engine/telemetry/metrics_server.h"

namespace weft::cli {
namespace {

class TraceHost final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "run", "Trace the programs on this host into a SQLite database",
        "Needs no configuration: every process but weft itself, into ./weft.db, which keeps 24 h "
        "or\n5 GB, whichever comes first. Ctrl-C (or SIGTERM) writes out what was seen and ends; "
        "a second\none ends at once. Needs root, see `weft doctor`.",
        "weft run                                   # everything, until Ctrl-C\n"
        "weft run --duration 1m --db shop.db --include-process nginx,node,redis-server\n"
        "weft run --port 8080 --exclude-process prometheus\n"
        "weft run --otlp                            # and what programs with an SDK report\n"
        "weft run --config weft.yaml --json-summary summary.json --quiet\n"
        "weft run --record shop.weft.zst            # also keep what was seen, for weft replay"};
  }
  void Declare(Options& options) override {
    shared_.DeclareConfig(options);
    shared_.DeclareEngine(options);
    shared_.DeclareSource(options);
    shared_.DeclareOtlp(options);
    shared_.DeclareZipkin(options);
    shared_.DeclareMetrics(options);
    options.Duration("--duration", &duration_ns_, "End after this time (default: at Ctrl-C)");
    options.Text("--record", &record_, "Also write a recording for `weft replay`", "FILE");
    session_.Declare(options);
  }

  Result<int> Run(CommandContext& context) override {
    const auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    WEFT_TRY(RequireMemory(*config, "run"));
    if (!config->ebpf.enabled && !IntakeRun::Wanted(*config))
      return Fail(Code::kInvalid, "sources.ebpf.enabled is false, so there is nothing to trace");
    if (config->ebpf.enabled) WEFT_TRY(EbpfRun::CheckHost(context.log));
    StopSignal stop(shared_.has_file() ? StopSignal::Hangup::kReloads : StopSignal::Hangup::kStops);
    SetLogLevel(context, *config);
    Metrics metrics;
    if (!config->metrics.listen.empty())
      metrics.spans().SetLimit(static_cast<size_t>(config->metrics.span_series));
    Reload reload(shared_, *config, context, metrics);
    const plugin::Services services{context.log, metrics, context.clock};
    telemetry::Health health(context.clock);
    health.Pending("pipeline", "starting");
    session_.Report(health);
    const auto server = telemetry::StartMetricsServer(config->metrics.listen, {WEFT_VERSION, "run"},
                                                      metrics, health);
    if (!server) return std::unexpected(server.error());

    auto pipeline = Pipeline::Start(*config, services);
    if (!pipeline) return std::unexpected(pipeline.error());
    std::unique_ptr<EbpfRun> source;
    if (config->ebpf.enabled) {
      auto started = EbpfRun::Start(*config, record_, (*pipeline)->transport(), services);
      if (!started) return std::unexpected(started.error());
      source = std::move(*started);
    }
    auto intake = IntakeRun::IntoPipeline(*config, (*pipeline)->transport(), services);
    if (!intake) return std::unexpected(intake.error());
    health.Ready("pipeline");
    session_.Begin();
    session_.Say(fmt::format("tracing {} into {} (Ctrl-C ends)",
                             source ? DescribeSelection(config->ebpf) : "what is reported",
                             (*pipeline)->Destination()));
    if (source) session_.Say(fmt::format("hooks: {}", source->hooks()));
    if (const std::string at = (*intake)->Describe(); !at.empty())
      session_.Say(fmt::format("takes {}", at));
    if (*server)
      session_.Say(fmt::format("metrics: http://{}/metrics", (*server)->address().Text()));
    session_.Watch(**pipeline, stop, duration_ns_, nullptr,
                   [&] { return reload.Run(pipeline->get(), source.get()); });

    intake->reset();
    const Result<void> source_stopped = source ? source->Stop() : Result<void>();
    WEFT_TRY(session_.Finish(**pipeline, (*pipeline)->store_path()));
    WEFT_TRY(source_stopped);
    return kExitOk;
  }

 private:
  SystemClock clock_;
  RunOptions shared_;
  RunSession session_{clock_};
  int64_t duration_ns_ = 0;
  std::string record_;
};

}  // namespace

std::unique_ptr<Command> MakeRun() { return std::make_unique<TraceHost>(); }

}  // namespace weft::cli
