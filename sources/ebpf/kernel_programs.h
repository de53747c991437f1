// KernelPrograms: one hook family's BPF object, whichever it is: load, attach, find maps.
//
// Owned by Loader. Maps and settings have the same names in both families, so user space knows the
// difference only here. Built only with libbpf. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <bpf/libbpf.h>

#include "sources/ebpf/hook_family.h"

namespace weft::ebpf {

// What the programs are told before they are loaded.
struct ProgramSettings {
  uint32_t agent_pid = 0;
  uint32_t capture_bytes = 0;
  uint32_t cpu_ring_bytes = 0;
  bool preemptible = false;
  bool include_ports = false, exclude_ports = false;
};

class KernelPrograms {
 public:
  // `direct_loads`: the kernel has bpf_rdonly_cast. NULL and errno where the object is not
  // understood.
  static std::unique_ptr<KernelPrograms> Open(HookFamily family, bool direct_loads);
  virtual ~KernelPrograms() = default;

  // Before Load.
  virtual void Set(const ProgramSettings& settings) = 0;
  // 0 or a negative errno.
  virtual int Load() = 0;
  virtual int Attach() = 0;
  virtual void Detach() = 0;
  // Whether the reader is to be woken by a record that finds its CPU's ring full. After Load.
  virtual void SetReaderSleeps(bool sleeps) = 0;
  // Whether ignored_pids is looked into. After Load.
  virtual void SetFilterPids(bool filter) = 0;

  virtual bpf_object* object() const = 0;
  // Requires: a map of this name is in both objects.
  bpf_map* map(const char* name) const { return bpf_object__find_map_by_name(object(), name); }
  int map_fd(const char* name) const { return bpf_map__fd(map(name)); }
  // How often a program was not run because it was running on that CPU already.
  uint64_t Missed() const;
};

}  // namespace weft::ebpf
