#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/run_options.h"
#include "engine/cli/run_session.h"
#include "engine/cli/stopped_replay.h"
#include "engine/cli/topic_replay.h"
#include "engine/cli/transport_choice.h"
#include "engine/telemetry/metrics_server.h"
#include "sources/replay/replay_source.h"
#include "sources/replay/trace_replay.h"

namespace weft::cli {
namespace {

class Replay final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "replay", "Make traces of a recording, with any chain of correlators",
        "The same engine as in `weft run`, fed from a file. The ids are the same in every replay, "
        "so "
        "two\nstores can be compared span by span. Traces of others (JSON of Jaeger, Zipkin, OTLP "
        "and of search\nindexes, CSV; with gzip or zstd; a folder of such) are stored as they are; "
        "`weft eval` rebuilds them.\nWith --range: what engines have kept of weft.spans in that "
        "time once more to one exporter that\nhas missed some of it, by their logged decisions, "
        "beside them and in no consumer group. What the\nexporter has already it gets again, with "
        "the same ids.\nDecisions are looked for up to an hour after the range: of engines that "
        "were "
        "further behind, name a\nrange that ends later.",
        "weft replay shop.weft.zst                                # into ./weft.db\n"
        "weft replay shop.weft.zst --db delay.db --correlators delay\n"
        "weft replay jaeger-traces.json.gz                        # traces of others\n"
        "weft replay --config weft.yaml --range -2h..-1h --exporter jaeger\n"
        "weft replay shop.weft.zst --pace 1                       # as fast as it was recorded"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, false,
                       "Recording of `weft record` or `weft run --record`, or traces of others");
    topic_.DeclareRange(options);
    options.Text("--exporter", &exporter_,
                 "With --range: who gets them, a name of `exporters` in the configuration", "NAME");
    shared_.DeclareConfig(options);
    shared_.DeclareEngine(options);
    options.Number("--pace", &pace_, 0, 1e6,
                   "Times the recorded speed; 0: as fast as the engine takes it");
    options.Flag(
        "--drop-truth", &drop_truth_,
        "Leave out the truth that the recording was made with (`weft run --capture-truth`)");
    // Not metrics.listen: the configuration may be that of a weft which runs.
    options.Text("--metrics", &metrics_, "Serve /metrics, /healthz and /readyz there meanwhile",
                 "ADDRESS");
    session_.Declare(options);
  }

  Result<int> Run(CommandContext& context) override {
    auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    if (file_.empty() != topic_.given())
      return Fail(Code::kInvalid,
                  "name a recording, or what to read of Kafka: --range -2h..-1h (one of both)");
    WEFT_TRY(CheckOptions());
    if (topic_.given()) return ReplayToExporter(context, *config, topic_, exporter_);
    WEFT_TRY(RequireMemory(*config, "replay"));
    // A file can wait for the slowest of them.
    for (PluginChoice& exporter : config->exporters)
      if (exporter.when_full.empty()) exporter.when_full = "wait";
    if (!std::filesystem::exists(file_))
      return Fail(Code::kNotFound, fmt::format("{}: no such recording", file_));
    return sources::RecordingReader::IsRecording(file_) ? RunRecording(context, *config)
                                                        : RunTraces(context, *config);
  }

 private:
  // Nothing that was asked for is passed over in silence: the store of a replay that was meant for
  // an exporter would be written.
  Result<void> CheckOptions() const {
    WEFT_TRY(topic_.CheckOptions());
    if (!topic_.given() && !exporter_.empty())
      return Fail(Code::kInvalid,
                  "--exporter counts with --range only; a recording goes to all exporters of the "
                  "configuration");
    if (!topic_.given()) return {};
    const std::string_view one = drop_truth_         ? "--drop-truth"
                                 : pace_ > 0         ? "--pace"
                                 : !metrics_.empty() ? "--metrics"
                                                     : shared_.EngineOptionGiven();
    if (one.empty()) return {};
    return Fail(Code::kInvalid,
                fmt::format("{} counts for recordings only, not with --range: what engines have "
                            "made and kept goes to --exporter as it is",
                            one));
  }

  // What feeds the pipeline. `run` is called in a thread of its own.
  struct Source {
    std::function<Result<void>()> run;
    std::function<void()> stop;
  };
  using MakeSource = std::function<Source(Pipeline&, Metrics&)>;

  Result<int> RunRecording(CommandContext& context, const Config& config) {
    auto reader = sources::RecordingReader::Open(file_);
    if (!reader) return std::unexpected(reader.error());
    WEFT_TRY(RefuseStoppedReplay(StoreOf(config), reader->header()));
    std::unique_ptr<sources::ReplaySource> source;
    stopped_early_ = [&](Metrics& metrics) { NoteStoppedReplay(metrics, reader->header()); };
    WEFT_TRY(Feed(context, config, [&](Pipeline& pipeline, Metrics& metrics) {
      source = std::make_unique<sources::ReplaySource>(
          *reader, pipeline.transport(),
          sources::ReplayOptions{.speed = pace_, .drop_truth = drop_truth_}, context.clock,
          metrics);
      return Source{[&] { return source->Run(); }, [&] { source->Stop(); }};
    }));
    return WarnOfDamage(context, reader->totals());
  }

  Result<int> RunTraces(CommandContext& context, Config& config) {
    auto file = sources::TraceFile::Open(file_);
    if (!file) return std::unexpected(file.error());
    config.otlp.from_file = true;
    std::unique_ptr<sources::TraceReplay> source;
    WEFT_TRY(Feed(context, config, [&](Pipeline& pipeline, Metrics& metrics) {
      source = std::make_unique<sources::TraceReplay>(**file, pipeline.transport(), metrics);
      return Source{[&] { return source->Run(); }, [&] { source->Stop(); }};
    }));
    const auto& totals = (*file)->totals();
    for (const std::string& complaint : totals.complaints) context.log.Warn(complaint);
    if (totals.malformed == 0) return kExitOk;
    // What could be read was stored; a script must still be able to tell.
    context.log.Warn(fmt::format("{}: {} spans, {} malformed entries were passed over", file_,
                                 totals.spans, totals.malformed));
    return kExitFailure;
  }

  // The whole run around a source, which ends before the pipeline does.
  Result<void> Feed(CommandContext& context, const Config& config, const MakeSource& make) {
    StopSignal stop;
    Metrics metrics;
    telemetry::Health health(context.clock);
    health.Pending("pipeline", "starting");
    session_.Report(health);
    const auto server =
        telemetry::StartMetricsServer(metrics_, {WEFT_VERSION, "replay"}, metrics, health);
    if (!server) return std::unexpected(server.error());
    auto pipeline = Pipeline::Start(config, {context.log, metrics, context.clock});
    if (!pipeline) return std::unexpected(pipeline.error());

    const Source source = make(**pipeline, metrics);
    health.Ready("pipeline");
    session_.Begin();
    session_.Say(fmt::format("replaying {} into {}", file_, (*pipeline)->Destination()));
    if (*server)
      session_.Say(fmt::format("metrics: http://{}/metrics", (*server)->address().Text()));
    Result<void> replayed;
    std::atomic<bool> finished = false;
    std::thread thread([&] {
      replayed = source.run();
      finished = true;
    });
    session_.Watch(**pipeline, stop, 0, &finished);
    source.stop();
    thread.join();
    const bool early = !replayed && replayed.error().code == Code::kCancelled;
    // In the store before anything is decided early: the end may be cut short.
    if (early && stopped_early_) {
      stopped_early_(metrics);
      // Written once more at the end; what is under way must get there whether this works or not.
      if (const auto written = (*pipeline)->WriteLedger(); !written)
        context.log.Warn(written.error().message);
    }
    WEFT_TRY(session_.Finish(**pipeline, (*pipeline)->store_path(), RunSession::Counts::kAll));
    if (!replayed && !stop.requested()) return std::unexpected(replayed.error());
    return {};
  }

  // "" where nothing is stored.
  static std::string StoreOf(const Config& config) {
    for (const PluginChoice& exporter : config.exporters)
      if (exporter.name == "sqlite") return config.store.path;
    return "";
  }

  // What could be read was replayed; a script must still be able to tell.
  static Result<int> WarnOfDamage(CommandContext& context,
                                  const sources::RecordingReader::Totals& totals) {
    if (totals.damage.empty()) return kExitOk;
    context.log.Warn(fmt::format("{}; {} records skipped, {} bytes not read", totals.damage,
                                 totals.corrupt_records, totals.unread_bytes));
    return kExitFailure;
  }

  SystemClock clock_;
  RunOptions shared_;
  RunSession session_{clock_};
  TopicTraces topic_;
  std::string file_, metrics_, exporter_;
  std::function<void(Metrics&)> stopped_early_;  // what an end before the file's leaves behind
  double pace_ = 0;
  bool drop_truth_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeReplay() { return std::make_unique<Replay>(); }

}  // namespace weft::cli
