#include "sources/ebpf/kernel_types.h"

#if WEFT_HAVE_BPF

#include <bpf/btf.h>

namespace weft::ebpf {

void KernelTypes::Deleter::operator()(btf* types) const { btf__free(types); }

KernelTypes KernelTypes::Load() {
  KernelTypes loaded;
  loaded.types_.reset(btf__load_vmlinux_btf());
  return loaded;
}

uint32_t KernelTypes::count() const { return known() ? btf__type_cnt(types_.get()) : 0; }

bool KernelTypes::HasTracepoint(std::string_view name) const {
  const std::string type = "btf_trace_" + std::string(name);
  return known() && btf__find_by_name_kind(types_.get(), type.c_str(), BTF_KIND_TYPEDEF) > 0;
}

bool KernelTypes::HasFunction(std::string_view name) const {
  const std::string text(name);
  return known() && btf__find_by_name_kind(types_.get(), text.c_str(), BTF_KIND_FUNC) > 0;
}

}  // namespace weft::ebpf

#else

namespace weft::ebpf {

void KernelTypes::Deleter::operator()(btf*) const {}
KernelTypes KernelTypes::Load() { return {}; }
uint32_t KernelTypes::count() const { return 0; }
bool KernelTypes::HasTracepoint(std::string_view) const { return false; }
bool KernelTypes::HasFunction(std::string_view) const { return false; }

}  // namespace weft::ebpf

#endif
