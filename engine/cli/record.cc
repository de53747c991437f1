#include <cstdio>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/commands.h"
#include "engine/cli/ebpf_run.h"
#include "engine/cli/ebpf_settings.h"
#include "engine/cli/progress_line.h"
#include "engine/cli/run_options.h"
#include "engine/cli/stop_signal.h"

namespace weft::cli {
namespace {

// The other end of a source whose records only go to a file: takes everything, keeps nothing.
class DiscardPublisher final : public transport::Publisher {
 public:
  DiscardPublisher(uint32_t partitions, const Clock& clock)
      : partitions_(partitions), clock_(clock) {}
  uint32_t partitions() const override { return partitions_; }
  int64_t LogTimeNs() const override { return clock_.MonotonicNs(); }
  Result<void> Publish(transport::OutRecord record, int64_t) override {
    record.Settle(true);
    return {};
  }
  void CloseSources() override {}

 private:
  const uint32_t partitions_;
  const Clock& clock_;
};

class Record final : public Command {
 public:
  CommandInfo Info() const override {
    return {
        "record", "Keep what the programs on this host do, to be decided later",
        "Watches like `weft run` but stores the observations themselves, compressed: a few dozen "
        "bytes\nper request. `weft replay` makes traces of them, with any chain of correlators.",
        "weft record shop.weft.zst --duration 30s\n"
        "weft record shop.weft.zst --include-process nginx,node --capture-truth"};
  }
  void Declare(Options& options) override {
    options.Positional("file", &file_, true, "Recording to write");
    shared_.DeclareConfig(options);
    shared_.DeclareSource(options);
    options.Duration("--duration", &duration_ns_, "End after this time (default: at Ctrl-C)");
    options.Flag("--quiet", &quiet_, "Nothing on stderr but warnings and errors");
  }

  Result<int> Run(CommandContext& context) override {
    const auto config = shared_.Load();
    if (!config) return std::unexpected(config.error());
    WEFT_TRY(EbpfRun::CheckHost(context.log));
    StopSignal stop;
    Metrics metrics;
    DiscardPublisher transport(static_cast<uint32_t>(config->partitions), context.clock);
    auto source = EbpfRun::Start(*config, file_, transport, {context.log, metrics, context.clock});
    if (!source) return std::unexpected(source.error());
    if (!quiet_)
      PrintNote(fmt::format("weft: tracing {} into the recording {} (Ctrl-C ends)\n",
                            DescribeSelection(config->ebpf), file_));
    Watch(context.clock, stop, metrics, **source);
    WEFT_TRY((*source)->Stop());
    if (!quiet_)
      PrintNote(fmt::format("weft: {} observations in {} ({})\nweft: try: weft replay {}\n",
                            metrics.Get("agent.observed").Get(), file_,
                            ShortSize((*source)->recorded_bytes()), file_));
    return kExitOk;
  }

 private:
  void Watch(const Clock& clock, StopSignal& stop, Metrics& metrics, const EbpfRun& source) const {
    ProgressLine progress(stderr, !quiet_);
    const int64_t begun = clock.MonotonicNs();
    const int64_t end = duration_ns_ > 0 ? begun + duration_ns_ : INT64_MAX;
    while (true) {
      const int64_t now = clock.MonotonicNs();
      if (now >= end || stop.Wait(std::min(500 * kMillisecond, end - now))) return;
      progress.Show(fmt::format("{}  {} observations  {}", ShortDuration(now - begun),
                                metrics.Get("agent.observed").Get(),
                                ShortSize(source.recorded_bytes())));
    }
  }

  RunOptions shared_;
  std::string file_;
  int64_t duration_ns_ = 0;
  bool quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeRecord() { return std::make_unique<Record>(); }

}  // namespace weft::cli
