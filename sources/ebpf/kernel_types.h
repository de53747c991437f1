// KernelTypes: what the running kernel's type information (BTF) says it has.
//
// Used by the loader to choose programs and by ProbeHost to report. Load() reads
// /sys/kernel/btf/vmlinux once (some milliseconds). Built without libbpf it has nothing. One
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct btf;

namespace weft::ebpf {

class KernelTypes {
 public:
  // An empty one where the kernel does not describe itself.
  static KernelTypes Load();

  bool known() const { return types_ != nullptr; }
  uint32_t count() const;
  bool HasTracepoint(std::string_view name) const;
  bool HasFunction(std::string_view name) const;

 private:
  struct Deleter {
    void operator()(btf* types) const;
  };
  std::unique_ptr<btf, Deleter> types_;
};

}  // namespace weft::ebpf
