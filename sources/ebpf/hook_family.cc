#include "sources/ebpf/hook_family.h"

#include <span>

#include <fmt/format.h>

namespace weft::ebpf {
namespace {

constexpr std::string_view kShared[] = {"inet_sock_set_state", "sched_process_exec",
                                        "sched_process_exit"};
constexpr std::string_view kSocketOnly[] = {"tcp_sendmsg_locked", "sock_send_length",
                                            "sock_recv_length"};
constexpr std::string_view kSyscallsOnly[] = {"sys_enter", "sys_exit", "tcp_destroy_sock"};

void AddMissing(std::span<const std::string_view> names, const KernelTypes& kernel,
                std::string* missing) {
  for (const std::string_view name : names)
    if (!kernel.HasTracepoint(name))
      *missing += fmt::format("{}{}", missing->empty() ? "" : " ", name);
}

std::unexpected<Error> Lacks(HookFamily family, std::string_view missing) {
  return Fail(
      Code::kUnsupported,
      fmt::format("hooks '{}' need kernel {} or newer: tracepoint {} missing", NameOf(family),
                  family == HookFamily::kSocket ? "6.16" : "5.10", missing));
}

}  // namespace

std::string_view NameOf(HookFamily family) {
  return family == HookFamily::kSocket ? "socket" : "syscalls";
}

std::string_view Describe(HookFamily family) {
  return family == HookFamily::kSocket ? "socket (the socket layer's tracepoints)"
                                       : "syscalls (the system calls' tracepoints)";
}

std::string_view NotSeen(HookFamily family) {
  return family == HookFamily::kSocket
             ? "bytes of sendfile, splice, recvmmsg and io_uring receives are not seen, only their "
               "number; zero-copy receives and splice from a socket leave gaps"
             : "bytes of sendfile and splice are not seen, only their number; io_uring and "
               "zero-copy "
               "receives leave gaps; 32-bit programs are not seen";
}

std::string MissingTracepoints(HookFamily family, const KernelTypes& kernel) {
  std::string missing;
  AddMissing(kShared, kernel, &missing);
  if (family == HookFamily::kSocket)
    AddMissing(kSocketOnly, kernel, &missing);
  else
    AddMissing(kSyscallsOnly, kernel, &missing);
  return missing;
}

Result<HookFamily> ChooseHooks(Hooks asked, const KernelTypes& kernel) {
  if (!kernel.known())
    return Fail(Code::kUnsupported,
                "the kernel does not describe its types: it needs CONFIG_DEBUG_INFO_BTF=y "
                "(/sys/kernel/btf/vmlinux)");
  if (asked != Hooks::kSyscalls) {
    const std::string missing = MissingTracepoints(HookFamily::kSocket, kernel);
    if (missing.empty()) return HookFamily::kSocket;
    if (asked == Hooks::kSocket) return Lacks(HookFamily::kSocket, missing);
  }
  const std::string missing = MissingTracepoints(HookFamily::kSyscalls, kernel);
  if (missing.empty()) return HookFamily::kSyscalls;
  return Lacks(HookFamily::kSyscalls, missing);
}

}  // namespace weft::ebpf
