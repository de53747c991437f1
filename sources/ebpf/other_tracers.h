// OtherTracers: the eBPF programs of others on this host, by who holds them, for `weft doctor`.
//
// They do weft no harm as a rule, but each costs the traced programs its share, and one that writes
// TCP options takes the room that weft's needs. Listing wants CAP_SYS_ADMIN; changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sources/ebpf/check.h"

namespace weft::ebpf {

struct ForeignProgram {
  uint32_t id = 0;
  uint32_t type = 0;   // enum bpf_prog_type
  std::string name;    // at most 15 bytes
  std::string holder;  // "tetragon (pid 71)"; "": no process has it open (pinned, or a cgroup's)
};

// Program ids that a file of /proc/PID/fdinfo tells of.
std::vector<uint32_t> ProgramsOfFdInfo(const std::string& text);

// What is to be said of them. Programs that only filter devices or packets of cgroups, as systemd's
// do, are no tracers.
std::vector<Check> DescribeForeign(const std::vector<ForeignProgram>& programs);

std::vector<Check> CheckOtherTracers();

}  // namespace weft::ebpf
