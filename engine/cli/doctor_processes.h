// JudgeProcesses: of each process with sockets, whether weft traces it, and if not, why: what `weft
// doctor` says of them. A pure function of what was read from /proc and from the store.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/config.h"
#include "engine/cli/store_state.h"
#include "sources/ebpf/host_sockets.h"

namespace weft::cli {

enum class Tracing : uint8_t {
  kTraced,
  kBytesOnly,  // spans named tcp: nothing that weft understands
  kNotSeen,    // it would be traced, but nothing of it is in the store
  kLeftOut     // the configuration says so
};
std::string_view TracingName(Tracing tracing);

struct ProcessVerdict {
  uint32_t pid = 0;
  std::string name, ports;  // "80, 443"
  Tracing tracing = Tracing::kNotSeen;
  std::string why;
  std::string remedy;  // a command or a setting; empty where there is nothing to mend
};

// `now_ns`: Unix time.
std::vector<ProcessVerdict> JudgeProcesses(const std::vector<ebpf::SocketProcess>& processes,
                                           const Config& config, const StoreState& store,
                                           int64_t now_ns);

}  // namespace weft::cli
