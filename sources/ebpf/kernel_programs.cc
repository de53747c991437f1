#include "sources/ebpf/kernel_programs.h"

#if WEFT_HAVE_BPF

#include <atomic>

#include <bpf/bpf.h>

#include "bpf/socket_layer.skel.h"
#include "bpf/syscalls.skel.h"
#include "bpf/syscalls_compat.skel.h"

namespace weft::ebpf {
namespace {

// bpftool makes a type and free functions per object; this makes them one.
template <typename Skeleton, auto kOpen, auto kLoad, auto kAttach, auto kDetach, auto kDestroy>
class FamilyPrograms final : public KernelPrograms {
 public:
  static std::unique_ptr<KernelPrograms> Open() {
    Skeleton* skeleton = kOpen();
    if (skeleton == nullptr) return nullptr;
    return std::unique_ptr<KernelPrograms>(new FamilyPrograms(skeleton));
  }

  void Set(const ProgramSettings& settings) override {
    auto* to = skeleton_->rodata;
    to->agent_pid = settings.agent_pid;
    to->capture_bytes = settings.capture_bytes;
    to->cpu_ring_bytes = settings.cpu_ring_bytes;
    to->preemptible = settings.preemptible;
    to->include_ports = settings.include_ports;
    to->exclude_ports = settings.exclude_ports;
  }
  int Load() override { return kLoad(skeleton_.get()); }
  int Attach() override { return kAttach(skeleton_.get()); }
  void Detach() override { kDetach(skeleton_.get()); }
  void SetReaderSleeps(bool sleeps) override {
    std::atomic_ref<uint32_t>(skeleton_->bss->reader_sleeps).store(sleeps ? 1 : 0);
  }
  void SetFilterPids(bool filter) override {
    std::atomic_ref<uint32_t>(skeleton_->bss->filter_pids).store(filter ? 1 : 0);
  }
  bpf_object* object() const override { return skeleton_->obj; }

 private:
  struct Deleter {
    void operator()(Skeleton* skeleton) const { kDestroy(skeleton); }
  };
  explicit FamilyPrograms(Skeleton* skeleton) : skeleton_(skeleton) {}
  std::unique_ptr<Skeleton, Deleter> skeleton_;
};

using SocketPrograms =
    FamilyPrograms<socket_layer, [] { return socket_layer__open(); }, socket_layer__load,
                   socket_layer__attach, socket_layer__detach, socket_layer__destroy>;
using SyscallPrograms = FamilyPrograms<syscalls, [] { return syscalls__open(); }, syscalls__load,
                                       syscalls__attach, syscalls__detach, syscalls__destroy>;
using SyscallCompatPrograms =
    FamilyPrograms<syscalls_compat, [] { return syscalls_compat__open(); }, syscalls_compat__load,
                   syscalls_compat__attach, syscalls_compat__detach, syscalls_compat__destroy>;

}  // namespace

std::unique_ptr<KernelPrograms> KernelPrograms::Open(HookFamily family, bool direct_loads) {
  auto programs = family == HookFamily::kSocket ? SocketPrograms::Open()
                  : direct_loads                ? SyscallPrograms::Open()
                                                : SyscallCompatPrograms::Open();
  if (!programs) return nullptr;
  // Reached by a tail call only.
  if (bpf_program* rare = bpf_object__find_program_by_name(programs->object(), "several_end"))
    bpf_program__set_autoattach(rare, false);
  return programs;
}

uint64_t KernelPrograms::Missed() const {
  uint64_t missed = 0;
  const bpf_program* program = nullptr;
  while ((program = bpf_object__next_program(object(), const_cast<bpf_program*>(program)))) {
    bpf_prog_info info{};
    uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) == 0)
      missed += info.recursion_misses;
  }
  return missed;
}

}  // namespace weft::ebpf

#endif
