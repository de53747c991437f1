// What `weft doctor` says of a store: the disk that it is on, whether it can be read, and the
// ledger of its newest run. Reads only.
#pragma once

#include <cstdint>
#include <string>

#include "engine/cli/store_state.h"
#include "sources/ebpf/check.h"

namespace weft::cli {

// Of the disk that has, or would have, the store at `path`.
ebpf::Check CheckDisk(const std::string& path);
ebpf::Check CheckStore(const StoreState& store, const std::string& path);
// Requires: the store has a ledger.
ebpf::Check CheckLedger(const StoreState& store, int64_t now_ns);
// What to do about the first place, upstream first, that lost something; empty if none did.
std::string LossRemedy(const Counters& counters);

}  // namespace weft::cli
