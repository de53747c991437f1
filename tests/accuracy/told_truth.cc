// What timing can tell at best: `delay` as it is, and `delay` that after each window is told the
// truth about it, so that it decides by what requests really do. Where the second errs as well, two
// requests did the same at the same moment, and no learning settles which was which.
//
//   build/release/tests/accuracy/told_truth build/release/plugins FILE LOAD [SERVICE:FACTOR@TIME]
//
// Prints a line per teacher: calls right %, traces exact %; of a service that becomes slower also
// its calls before / during / after.
#include <cstdlib>
#include <filesystem>

#include <fmt/core.h>

#include "engine/eval/load_change.h"
#include "engine/eval/slow_service.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "tests/accuracy/replay.h"

namespace weft::accuracy {
namespace {

Result<void> Print(int argc, char** argv) {
  auto read = ReadTraces(argv[2]);
  if (!read) return std::unexpected(read.error());
  eval::KnownTraces& known = *read;
  eval::Compress(known, std::atof(argv[3]));
  eval::SlowService slow;
  eval::SlowPhases phases;
  if (argc > 4) {
    const auto parsed = eval::SlowService::Parse(argv[4]);
    if (!parsed) return std::unexpected(parsed.error());
    slow = *parsed;
    const auto slowed = eval::SlowDown(known, slow);
    if (!slowed) return std::unexpected(slowed.error());
    phases = *slowed;
  }
  const Recording recording = RecordingOf(known);
  const auto ambiguous = eval::Ambiguous(known);
  const auto log = StderrLogger(LogLevel::kWarn);
  Metrics metrics;
  ManualClock clock;
  plugin::PluginLoader loader(argv[1]);
  auto loaded = loader.Load(plugin::Kind::kCorrelator, "delay");
  if (!loaded) return std::unexpected(loaded.error());
  for (const Teacher teacher : {Teacher::kDecisions, Teacher::kTruth}) {
    auto delay = plugin::PluginInstance::Create(*loaded, "{}", {*log, metrics, clock});
    if (!delay) return std::unexpected(delay.error());
    const auto replayed = Replay(recording, {&*delay}, teacher);
    if (!replayed) return std::unexpected(replayed.error());
    const ReplayResult& result = *replayed;
    const auto score = eval::Evaluate(known, ambiguous, result.parents);
    fmt::print("{} x{} {:<9} calls {:.2f} traces {:.2f}",
               std::filesystem::path(argv[2]).stem().stem().string(), argv[3],
               teacher == Teacher::kTruth ? "truth" : "decisions", 100 * score.span_accuracy,
               100 * score.trace_exact);
    if (argc > 4) {
      const auto s = eval::ScorePhases(known, phases, slow.service, result.parents);
      fmt::print(" {} {:.1f} / {:.1f} / {:.1f}", slow.service, 100 * s.before.service_span_accuracy,
                 100 * s.during.service_span_accuracy, 100 * s.after.service_span_accuracy);
    }
    fmt::print("\n");
  }
  return {};
}

}  // namespace
}  // namespace weft::accuracy

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: told_truth PLUGIN_FOLDER FILE LOAD [SERVICE:FACTOR@TIME]\n");
    return 2;
  }
  const auto printed = weft::accuracy::Print(argc, argv);
  if (!printed) fmt::print(stderr, "{}\n", printed.error().message);
  return printed ? 0 : 1;
}
