// What `weft doctor` looks at beside the probe's own checks: clock, file systems, sinks. Reads
// only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/cli/store_state.h"
#include "sources/ebpf/check.h"

namespace weft::cli {

// Whether the kernel's clock is kept right, and the newest trace is not of the future.
ebpf::Check CheckClock(const StoreState& store, int64_t now_ns);
// One for each sink that the newest run's ledger knows.
std::vector<ebpf::Check> CheckSinks(const Counters& counters, bool run_ended);

}  // namespace weft::cli
