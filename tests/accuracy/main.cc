// weft_accuracy FILES...: scores correlator chains and the simple baselines on recordings with
// known parents. Without files: all of $WEFT_DATA/correlation. --csv prints rows for a spreadsheet.
// Exit code: 0, 1 on an error or a figure below its floor (--check), 77 where the data is absent.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/plugin/loader.h"
#include "tests/accuracy/baselines.h"
#include "tests/accuracy/replay.h"

namespace weft::accuracy {
namespace {

struct Options {
  std::vector<std::string> files, only;
  std::vector<double> compress{1};
  std::vector<std::string> chain{"context", "thread", "token", "delay"};
  bool check = false, csv = false;
};

// Lowest acceptable share of client spans right, with the chain and no compression.
struct Floor {
  const char* recording;
  double span_accuracy, trace_exact;
};
constexpr Floor kFloors[] = {{"hotel_load150", 0.98, 0.96}, {"online_boutique", 0.96, 0.90}};

std::vector<std::string> FilesOf(const Options& options) {
  std::vector<std::string> files = options.files;
  const char* data = std::getenv("WEFT_DATA");
  if (files.empty() && data != nullptr &&
      std::filesystem::exists(std::string(data) + "/correlation"))
    for (const auto& entry :
         std::filesystem::directory_iterator(std::string(data) + "/correlation"))
      files.push_back(entry.path());
  std::erase_if(files, [&](const std::string& file) {
    return !options.only.empty() && std::ranges::none_of(options.only, [&](const std::string& o) {
      return std::filesystem::path(file).filename().string().starts_with(o);
    });
  });
  std::ranges::sort(files);
  return files;
}

void Print(const Options& options, const Recording& r, double compress, std::string_view method,
           const Score& s, double seconds) {
  const double us = 1e6 * seconds / static_cast<double>(r.spans.size());
  if (options.csv)
    fmt::print("{},{},{},{},{:.4f},{},{:.4f},{:.4f},{:.4f},{:.3f},{:.3f}\n", r.name, compress,
               method, s.spans, s.span_accuracy, s.ambiguous, s.ambiguous_accuracy, s.trace_exact,
               s.unlinked, seconds, us);
  else
    fmt::print(
        "{:<18} x{:<3} {:<13} span {:6.2f}  ambiguous {:6.2f} ({:2.0f} %)  trace {:6.2f}  "
        "unlinked {:5.2f}  {:6.2f} us/span\n",
        r.name, compress, method, 100 * s.span_accuracy, 100 * s.ambiguous_accuracy,
        100 * static_cast<double>(s.ambiguous) / static_cast<double>(s.spans), 100 * s.trace_exact,
        100 * s.unlinked, us);
  std::fflush(stdout);
}

Result<ReplayResult> RunChain(const Options& options, const Recording& recording) {
  const auto log = StderrLogger(LogLevel::kWarn);
  Metrics metrics;
  const SystemClock clock;
  const plugin::Services services{*log, metrics, clock};
  plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
  std::vector<plugin::PluginInstance> instances;
  for (const std::string& name : options.chain) {
    auto loaded = loader.Load(plugin::Kind::kCorrelator, name);
    if (!loaded) return std::unexpected(std::move(loaded.error()));
    auto instance = plugin::PluginInstance::Create(*loaded, "{}", services);
    if (!instance) return std::unexpected(std::move(instance.error()));
    instances.push_back(std::move(*instance));
  }
  std::vector<const plugin::PluginInstance*> chain;
  for (const auto& instance : instances) chain.push_back(&instance);
  return Replay(recording, chain);
}

bool AboveFloor(const Recording& recording, double compress, const Score& score) {
  bool ok = true;
  for (const Floor& floor : kFloors) {
    if (recording.name != floor.recording || compress != 1) continue;
    ok = score.span_accuracy >= floor.span_accuracy && score.trace_exact >= floor.trace_exact;
    if (!ok)
      fmt::print(stderr, "{}: below its floor (span {}, trace {})\n", recording.name,
                 floor.span_accuracy, floor.trace_exact);
  }
  return ok;
}

Result<bool> RunFile(const Options& options, const std::string& file, double compress) {
  auto recording = ReadRecording(file);
  if (!recording) return std::unexpected(std::move(recording.error()));
  if (compress != 1) Compress(*recording, compress);
  const std::vector<bool> ambiguous = Ambiguous(*recording);
  const auto baseline = [&](std::string_view name,
                            const std::function<Parents(const Recording&)>& rule) {
    const auto begin = std::chrono::steady_clock::now();
    const Parents parents = rule(*recording);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    Print(options, *recording, compress, name, Evaluate(*recording, ambiguous, parents), seconds);
  };
  baseline("latest open", LatestOpen);
  baseline("fcfs", FirstComeFirstServed);
  baseline("nested fifo", NestedFifo);
  auto result = RunChain(options, *recording);
  if (!result) return std::unexpected(std::move(result.error()));
  const Score score = Evaluate(*recording, ambiguous, result->parents);
  Print(options, *recording, compress, "weft", score, result->seconds);
  return AboveFloor(*recording, compress, score);
}

int Main(const Options& options) {
  const auto files = FilesOf(options);
  if (files.empty()) {
    fmt::print("SKIPPED: no recordings; set WEFT_DATA to a folder with correlation/*.csv.gz\n");
    return 77;
  }
  if (options.csv)
    fmt::print(
        "file,compress,method,spans,span_accuracy,ambiguous,ambiguous_accuracy,trace_exact,"
        "unlinked,seconds,us_per_span\n");
  bool ok = true;
  for (const std::string& file : files)
    for (const double compress : options.compress) {
      const auto result = RunFile(options, file, compress);
      if (!result) {
        fmt::print(stderr, "{}\n", result.error().message);
        return 1;
      }
      ok &= *result || !options.check;
    }
  return ok ? 0 : 1;
}

}  // namespace
}  // namespace weft::accuracy

int main(int argc, char** argv) {
  weft::accuracy::Options options;
  CLI::App app{"Scores correlators on recordings with known parents"};
  app.add_option("files", options.files, "CSV files; default: all of $WEFT_DATA/correlation");
  app.add_option("--only", options.only, "only files whose name begins so")->delimiter(',');
  app.add_option("--compress", options.compress, "raise the load by these factors")->delimiter(',');
  app.add_option("--chain", options.chain, "correlators, in order")->delimiter(',');
  app.add_flag("--check", options.check, "fail where a figure is below its floor");
  app.add_flag("--csv", options.csv, "print CSV");
  CLI11_PARSE(app, argc, argv);
  return weft::accuracy::Main(options);
}
