// The kernel's lockdown state, which decides what BPF programs may do. Any thread.
#pragma once

#include <string>

namespace weft::ebpf {

struct Lockdown {
  std::string state;  // "none", "integrity", "confidentiality"; empty: not known
  std::string how;    // where it was read, or why it was not
};

// Where securityfs is not mounted, a child process mounts it for its own eyes and reads it there.
Lockdown ReadLockdown();

}  // namespace weft::ebpf
