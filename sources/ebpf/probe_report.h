// ProbeHost: what this host lets the eBPF source do, as a list of checks that a person can act on.
//
// Used by `weft doctor` (shows all) and by `weft run` (shows what is not ok). Reads /proc, /sys and
// tries a few harmless bpf() calls; changes nothing, needs no rights, never fails.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::ebpf {

enum class CheckState : unsigned char {
  kOk,
  kWarn,  // works, with less
  kFail   // the source cannot start
};

struct Check {
  std::string name;
  CheckState state = CheckState::kOk;
  std::string detail;
  std::string remedy;  // a command or a setting; empty where there is nothing to mend
};

std::vector<Check> ProbeHost();

// True when no check failed.
bool Usable(const std::vector<Check>& checks);

// Where a file system type is mounted ("cgroup2", "tracefs", "securityfs"); empty: nowhere.
std::string FindMount(std::string_view type);

}  // namespace weft::ebpf
