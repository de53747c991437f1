// ProbeHost: what this host lets the eBPF source do, as a list of checks that a person can act on.
//
// Used by `weft doctor` (shows all) and by `weft run` (shows what is not ok). Reads /proc, /sys and
// tries a few harmless bpf() calls; changes nothing, needs no rights, never fails.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/check.h"

namespace weft::ebpf {

std::vector<Check> ProbeHost();

// True when no check failed.
bool Usable(const std::vector<Check>& checks);

// Where a file system type is mounted ("cgroup2", "tracefs", "securityfs"); empty: nowhere.
std::string FindMount(std::string_view type);

}  // namespace weft::ebpf
