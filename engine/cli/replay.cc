#include <atomic>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "engine/cli/commands.h"
#include "engine/cli/run_options.h"
#include "engine/cli/run_session.h"
#include "engine/cli/transport_choice.h"
#include "engine/telemetry/metrics_server.h"
#include "sources/replay/replay_source.h"

namespace weft::cli {
namespace {

class Replay final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "replay", "Make traces of a recording, with any chain of correlators",
        "The same engine as in `weft run`, fed from a file. The ids are the same in every replay, "
        "so "
        "two\nstores can be compared span by span.",
        "weft replay shop.weft.zst                                # into ./weft.db\n"
        "weft replay shop.weft.zst --db delay.db --correlators delay\n"
        "weft replay shop.weft.zst --pace 1                       # as fast as it was recorded"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, true, "Recording of `weft record` or `weft run --record`");
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
    const auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    WEFT_TRY(RequireMemory(*config, "replay"));
    if (!std::filesystem::exists(file_))
      return Fail(Code::kNotFound, fmt::format("{}: no such recording", file_));
    auto reader = sources::RecordingReader::Open(file_);
    if (!reader) return std::unexpected(reader.error());
    StopSignal stop;
    Metrics metrics;
    telemetry::Health health(context.clock);
    health.Pending("pipeline", "starting");
    session_.Report(health);
    const auto server =
        telemetry::StartMetricsServer(metrics_, {WEFT_VERSION, "replay"}, metrics, health);
    if (!server) return std::unexpected(server.error());
    auto pipeline = Pipeline::Start(*config, {context.log, metrics, context.clock});
    if (!pipeline) return std::unexpected(pipeline.error());

    sources::ReplaySource source(*reader, (*pipeline)->transport(),
                                 {.speed = pace_, .drop_truth = drop_truth_}, context.clock,
                                 metrics);
    health.Ready("pipeline");
    session_.Begin();
    session_.Say(fmt::format("replaying {} into {}", file_, (*pipeline)->Destination()));
    if (*server)
      session_.Say(fmt::format("metrics: http://{}/metrics", (*server)->address().Text()));
    Result<void> replayed;
    std::atomic<bool> finished = false;
    std::thread thread([&] {
      replayed = source.Run();
      finished = true;
    });
    session_.Watch(**pipeline, stop, 0, &finished);
    source.Stop();
    thread.join();
    WEFT_TRY(session_.Finish(**pipeline, (*pipeline)->store_path()));
    if (!replayed && !stop.requested()) return std::unexpected(replayed.error());
    return WarnOfDamage(context, reader->totals());
  }

 private:
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
  std::string file_, metrics_;
  double pace_ = 0;
  bool drop_truth_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeReplay() { return std::make_unique<Replay>(); }

}  // namespace weft::cli
