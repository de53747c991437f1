// `weft engine`: one member of the groups that share the work through Kafka.
#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/reload.h"
#include "engine/cli/run_options.h"
#include "engine/cli/run_session.h"
#include "engine/cli/transport_choice.h"
#include "engine/telemetry/metrics_server.h"

namespace weft::cli {
namespace {

class GroupMember final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "engine", "Make traces of what agents publish to Kafka, together with others",
        "Any number of engines with the same --group share the partitions; one that ends, or is "
        "killed,\nis replaced by the others where its work was committed. SIGTERM or Ctrl-C gives "
        "the\npartitions back in good order, without waiting for the traces that are open; a "
        "second "
        "one\nends at once. Needs no privileges. `weft topics create` makes the topics.",
        "weft engine --brokers kafka:9092 --db weft-1.db            # both stages, into this "
        "store\n"
        "weft engine --brokers kafka:9092 --stages stitch           # links only\n"
        "weft engine --config weft.yaml --stop-timeout 10s --metrics 127.0.0.1:9465"};
  }
  void Declare(Options& options) override {
    shared_.DeclareConfig(options);
    shared_.DeclareKafka(options);
    shared_.DeclareStages(options);
    shared_.DeclareEngine(options);
    shared_.DeclareMetrics(options);
    options.Duration("--duration", &duration_ns_, "End after this time (default: at Ctrl-C)");
    session_.Declare(options);
  }

  Result<int> Run(CommandContext& context) override {
    const auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    WEFT_TRY(RequireKafka(*config, "engine"));
    StopSignal stop(shared_.has_file() ? StopSignal::Hangup::kReloads : StopSignal::Hangup::kStops);
    SetLogLevel(context, *config);
    Metrics metrics;
    if (!config->metrics.listen.empty())
      metrics.spans().SetLimit(static_cast<size_t>(config->metrics.span_series));
    Reload reload(shared_, *config, context, metrics);
    telemetry::Health health(context.clock);
    health.Pending("pipeline", "starting");
    session_.Report(health);
    const auto server = telemetry::StartMetricsServer(config->metrics.listen,
                                                      {WEFT_VERSION, "engine"}, metrics, health);
    if (!server) return std::unexpected(server.error());

    auto pipeline = Pipeline::Start(*config, {context.log, metrics, context.clock},
                                    [&](int64_t ns) { return health.Beat(), stop.Wait(ns); });
    if (!pipeline && pipeline.error().code == Code::kCancelled) return kExitOk;
    if (!pipeline) return std::unexpected(pipeline.error());
    health.Ready("pipeline");
    session_.Begin();
    session_.Say(fmt::format("a member of {} at {}: {}{} (Ctrl-C ends)", config->kafka.group,
                             fmt::join(config->kafka.brokers, ","),
                             fmt::join(config->engine.stages, " and "), Into(**pipeline)));
    if (*server)
      session_.Say(fmt::format("metrics: http://{}/metrics", (*server)->address().Text()));
    session_.Watch(**pipeline, stop, duration_ns_, nullptr,
                   [&] { return reload.Run(pipeline->get(), nullptr); });
    WEFT_TRY(session_.Finish(**pipeline, (*pipeline)->store_path()));
    return kExitOk;
  }

 private:
  static std::string Into(const Pipeline& pipeline) {
    const std::string destination = pipeline.Destination();
    return destination.empty() ? "" : fmt::format(", into {}", destination);
  }

  SystemClock clock_;
  RunOptions shared_;
  RunSession session_{clock_};
  int64_t duration_ns_ = 0;
};

}  // namespace

std::unique_ptr<Command> MakeEngine() { return std::make_unique<GroupMember>(); }

}  // namespace weft::cli
