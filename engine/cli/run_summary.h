// RunSummary: what a run of the engine came to, for people and for --json-summary.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/cli/ledger.h"
#include "engine/graph/engine.h"

namespace weft::cli {

struct RunSummary {
  graph::EngineStats stats;
  Counters counters;
  int64_t elapsed_ns = 0;
  double cpu_seconds = 0;  // of all threads of this process
  double max_rss_mb = 0;
  std::string db;  // "" where nothing was stored
  std::vector<std::string> expendable;

  double CpuCores() const;
  // The lines at the end of a run, with what to try next.
  std::string Text() const;
  std::string Json() const;
  // kIo if an exporter gave something up: then the run has failed, however well it ended. Of those
  // in `expendable`, which may drop, only what their receivers refused counts.
  Result<void> CheckStored() const;

 private:
  bool IsExpendable(std::string_view sink) const;
};

// Fills in what the system counts for this process.
void MeasureProcess(RunSummary* summary);

Result<void> WriteTextFile(const std::string& path, const std::string& text);

}  // namespace weft::cli
