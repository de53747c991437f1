#include "engine/cli/topic_replay.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <fmt/format.h>

#include "engine/cli/pipeline.h"
#include "engine/cli/stop_signal.h"
#include "engine/graph/exporter_worker.h"

namespace weft::cli {
namespace {

constexpr int64_t kLookEvery = 50 * kMillisecond;
constexpr int64_t kFlushTime = 10 * kSecond;

Result<PluginChoice> Choose(const Config& config, const std::string& name) {
  std::string names;
  for (const PluginChoice& choice : config.exporters) {
    names.append(names.empty() ? "" : ", ").append(choice.label());
    if (choice.label() != name) continue;
    if (choice.name != "sqlite") return choice;
    return Fail(Code::kInvalid, "a store waits where others drop, so it has missed nothing");
  }
  return Fail(Code::kInvalid,
              fmt::format("name with --exporter who is to get the traces; the configuration has {}",
                          names.empty() ? "none" : names));
}

// Asked where the decision log has no verdict; whoever decides will export those traces.
constexpr weft_sampler kUndecided{sizeof(weft_sampler),
                                  [](void*, const weft_spans*, const weft_traces* traces,
                                     weft_decisions* out, weft_error*) -> int32_t {
                                    std::fill_n(out->keep, traces->n, uint8_t{0});
                                    return WEFT_OK;
                                  },
                                  nullptr, nullptr};

}  // namespace

Result<int> ReplayToExporter(CommandContext& context, const Config& config,
                             const TopicTraces& topic, const std::string& exporter) {
  const auto choice = Choose(config, exporter);
  if (!choice) return std::unexpected(choice.error());
  auto trace = TraceConfigOf(config);
  if (!trace) return std::unexpected(std::move(trace.error()));
  StopSignal stop;
  Metrics metrics;
  const plugin::Services services{context.log, metrics, context.clock};
  auto made = MakeExporter(config, *choice, services);
  if (!made) return std::unexpected(std::move(made.error()));
  graph::ExporterWorker worker({},
                               {exporter, &(*made)->exporter(), (*made)->handle(),
                                choice->queue_bytes, /*drops_when_full=*/false},
                               context.clock, metrics, context.log);
  std::atomic<bool> give_up = false, finished = false;
  uint64_t traces = 0;
  const auto visit = [&](const trace::ExportBatchPtr& batch) -> Result<void> {
    traces += batch->traces.n();
    worker.Push(
        batch, [](graph::Fate) {}, &give_up);
    return give_up ? Fail(Code::kCancelled, "ended before all of the range was read")
                   : Result<void>{};
  };
  Result<TopicTraces::Counts> counts = TopicTraces::Counts{};
  std::thread reader([&] {
    counts =
        topic.Read(config, services, {*trace, {{"undecided", &kUndecided, nullptr}}, true, visit});
    finished = true;
  });
  const auto pending = [&] {
    return metrics.Get(fmt::format("sink.pending{{sink={}}}", exporter)).Get() > 0;
  };
  while (!finished && !stop.Wait(kLookEvery)) continue;
  if (stop.requested()) give_up = true;
  reader.join();
  while (counts && pending() && !stop.Wait(kLookEvery)) continue;
  const bool whole = counts && !stop.requested();
  worker.Stop(context.clock.MonotonicNs() + (whole ? kFlushTime : 0));
  if (!counts && counts.error().code != Code::kCancelled) return std::unexpected(counts.error());

  const auto count = [&](const char* name) { return metrics.Get(name).Get(); };
  const auto of_sink = [&](const char* name) {
    return metrics.Get(fmt::format("sink.{}{{sink={}}}", name, exporter)).Get();
  };
  const uint64_t taken = of_sink("rows"), not_taken = of_sink("dropped") + of_sink("handed_over");
  fmt::print("{}: {} spans of {} traces taken, {} not; sampled out or not decided yet {}\n",
             exporter, taken, traces, not_taken, count("trace.sampled_out"));
  if (counts)
    if (const std::string note = TopicTraces::Note(*counts); !note.empty()) context.log.Warn(note);
  return whole && not_taken == 0 ? kExitOk : kExitFailure;
}

}  // namespace weft::cli
