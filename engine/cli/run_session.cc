#include "engine/cli/run_session.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/progress_line.h"
#include "engine/cli/run_summary.h"

namespace weft::cli {
namespace {

constexpr uint64_t kSilentSeconds = 5;
constexpr int64_t kLookInterval = 100 * kMillisecond;
constexpr int64_t kProgressInterval = 500 * kMillisecond;

}  // namespace

void RunSession::Declare(Options& options) {
  options.Text("--json-summary", &json_summary_, "Write the figures of the run there at its end",
               "FILE");
  options.Duration("--stop-timeout", &stop_timeout_ns_,
                   "What is not done so long after the signal to end is given up, and counted");
  options.Flag("--quiet", &quiet_, "Nothing on stderr but warnings and errors");
}

void RunSession::Say(std::string_view line) const {
  if (!quiet_) PrintNote(fmt::format("weft: {}\n", line));
}

void RunSession::Watch(Pipeline& pipeline, StopSignal& stop, int64_t duration_ns,
                       const std::atomic<bool>* finished,
                       const std::function<std::string()>& reload) const {
  ProgressLine progress(stderr, !quiet_);
  const int64_t end = duration_ns > 0 ? clock_.MonotonicNs() + duration_ns : INT64_MAX;
  uint64_t shown_spans = 0;
  int64_t shown_ns = begun_ns_;
  while (!pipeline.Failure() && !(finished && *finished)) {
    if (health_) ReportHealth(pipeline.BrokersSilent());
    const int64_t now = clock_.MonotonicNs();
    if (now >= end || stop.Wait(std::min(kLookInterval, end - now))) return;
    if (reload && stop.TakeReload())
      if (const std::string done = reload(); !done.empty()) Say(done);
    pipeline.KeepMemory();
    pipeline.KeepLedger();
    if (!progress.active() || now - shown_ns < kProgressInterval) continue;
    const graph::EngineStats stats = pipeline.Stats();
    progress.Show(ProgressText(stats, shown_spans, shown_ns));
    shown_spans = stats.spans;
    shown_ns = now;
  }
}

// It goes on by itself when brokers answer; until then it does not do its work.
void RunSession::ReportHealth(uint64_t brokers_silent) const {
  health_->Beat();
  if (brokers_silent < kSilentSeconds)
    health_->Ready("kafka");
  else
    health_->Pending("kafka", fmt::format("no broker has answered for {} s", brokers_silent));
}

std::string RunSession::ProgressText(const graph::EngineStats& stats, uint64_t spans_before,
                                     int64_t since_ns) const {
  const int64_t now = clock_.MonotonicNs();
  const double seconds = static_cast<double>(std::max<int64_t>(now - since_ns, 1)) / 1e9;
  return fmt::format("{}  {} traces  {} spans  {:.0f} spans/s  {} under way  {} lost",
                     ShortDuration(now - begun_ns_), stats.traces, stats.spans,
                     static_cast<double>(stats.spans - spans_before) / seconds, stats.pending,
                     stats.lost);
}

Result<void> RunSession::Finish(Pipeline& pipeline, const std::string& db, Counts counts) const {
  const std::optional<Error> failure = pipeline.Failure();
  if (health_ && failure) health_->Failed(failure->message);
  if (health_) health_->Stopping();
  if (!failure) Say("writing out what was seen");
  const Result<void> stopped = pipeline.Stop(clock_.MonotonicNs() + stop_timeout_ns_);
  RunSummary summary;
  summary.stats = pipeline.Stats();
  summary.counters = pipeline.Snapshot();
  summary.elapsed_ns = clock_.MonotonicNs() - begun_ns_;
  summary.db = db;
  if (counts == Counts::kButExpendable) summary.expendable = pipeline.Expendable();
  MeasureProcess(&summary);
  if (!quiet_) PrintNote(summary.Text());
  if (!json_summary_.empty()) WEFT_TRY(WriteTextFile(json_summary_, summary.Json()));
  if (failure) return std::unexpected(*failure);
  WEFT_TRY(stopped);
  return summary.CheckStored();
}

}  // namespace weft::cli
