// What this process may do, as far as the eBPF source needs it, and what stops working without.
//
// Used by ProbeHost (`weft doctor`) and by `weft run`, which goes on with less where it can.
// CheckPrivileges is a pure function; ReadPrivileges reads /proc/self and changes nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sources/ebpf/check.h"

namespace weft::ebpf {

// Both rings and all tables of the larger hook family take 30 MB with their default sizes.
inline constexpr uint64_t kMapBytes = 32u << 20;

// All that weft needs beside an ordinary user's rights; the argument of setcap and setpriv.
inline constexpr const char* kCapabilityList =
    "cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search";

struct Privileges {
  uint64_t capabilities = 0;   // effective ones, by number
  uint64_t locked_memory = 0;  // bytes that may be locked
  bool maps_refused = false;   // the kernel charges BPF maps to it, and it is too little
  std::string executable;      // what to give the capabilities to

  bool Has(int capability) const { return (capabilities >> capability & 1) != 0; }
};

// All but maps_refused.
Privileges ReadPrivileges();

// As far as this process may raise the limit.
void RaiseLockedMemory();

// One check for each thing that is missing, with the remedy; one that is ok where nothing is.
std::vector<Check> CheckPrivileges(const Privileges& have);

}  // namespace weft::ebpf
