// ProcessFacts: what the operating system says of this process, under the names that every
// Prometheus client library uses, so that existing dashboards and alerts apply. One call per
// scrape; any thread.
#pragma once

#include <cstdint>

#include "engine/base/result.h"

namespace weft::telemetry {

struct ProcessFacts {
  double cpu_seconds = 0;
  double start_unix_seconds = 0;
  uint64_t resident_bytes = 0, virtual_bytes = 0;
  uint64_t threads = 0;
  uint64_t open_files = 0, max_files = 0;
};

// kIo: /proc is not mounted or not ours to read.
Result<ProcessFacts> ReadProcessFacts();

}  // namespace weft::telemetry
