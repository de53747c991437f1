// RunSession: what run and replay have in common while the pipeline works: the line of progress,
// the ledger at intervals, and the summary at the end. One thread; made when the work begins.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/base/clock.h"
#include "engine/base/result.h"
#include "engine/cli/command.h"
#include "engine/cli/pipeline.h"
#include "engine/cli/stop_signal.h"
#include "engine/telemetry/health.h"

namespace weft::cli {

class RunSession {
 public:
  explicit RunSession(const Clock& clock) : clock_(clock), begun_ns_(clock.MonotonicNs()) {}

  // --quiet, --json-summary and --stop-timeout.
  void Declare(Options& options);
  // A line on stderr, unless --quiet.
  void Say(std::string_view line) const;

  // The time from here on is that of the run: what came before was preparation.
  void Begin() { begun_ns_ = clock_.MonotonicNs(); }
  // From now on the health of the process is told there. It outlives the session's other calls.
  void Report(telemetry::Health& health) { health_ = &health; }

  // Until a signal, duration_ns (0: none), `finished` (may be null) or a failure of the engine.
  // `reload` (may be empty) is called when the signal asks for it; what it did is said.
  void Watch(Pipeline& pipeline, StopSignal& stop, int64_t duration_ns,
             const std::atomic<bool>* finished,
             const std::function<std::string()>& reload = {}) const;
  // Drains the pipeline, shows the summary and writes it where it was asked for. `db`: "" where
  // nothing is stored. The first of the engine's own failure and those of stopping comes back. What
  // exporters that may drop have dropped is a failure of a job (kAll), not of a service.
  enum class Counts : uint8_t { kAll, kButExpendable };
  Result<void> Finish(Pipeline& pipeline, const std::string& db,
                      Counts counts = Counts::kButExpendable) const;

 private:
  std::string ProgressText(const graph::EngineStats& stats, uint64_t spans_before,
                           int64_t since_ns) const;

  const Clock& clock_;
  void ReportHealth(uint64_t brokers_silent) const;

  telemetry::Health* health_ = nullptr;
  int64_t begun_ns_;
  std::string json_summary_;
  int64_t stop_timeout_ns_ = 30 * kSecond;
  bool quiet_ = false;
};

}  // namespace weft::cli
