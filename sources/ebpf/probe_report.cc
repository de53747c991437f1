#include "sources/ebpf/probe_report.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sources/ebpf/bypasses.h"
#include "sources/ebpf/hook_family.h"
#include "sources/ebpf/kernel_types.h"
#include "sources/ebpf/lockdown.h"
#include "sources/ebpf/privileges.h"
#include "sources/ebpf/tcp_option.h"

#if WEFT_HAVE_BPF
#include <bpf/bpf.h>
#endif

namespace weft::ebpf {
namespace {

Check CheckKernel() {
  utsname name{};
  uname(&name);
  Check check{"kernel", CheckState::kOk, fmt::format("{} {}", name.release, name.machine), ""};
  if (std::string_view(name.machine) != "x86_64") {
    check.state = CheckState::kFail;
    check.detail += ": the programs know the registers of x86_64 only";
  }
  return check;
}

// The kernel programs know processes by their numbers in the first PID namespace: elsewhere weft
// would find nobody's name, and trace itself.
Check CheckPidNamespace() {
  constexpr ino_t kFirst = 0xeffffffc;  // fixed since 3.8 (98f842e675f9)
  struct stat status {};
  if (stat("/proc/self/ns/pid", &status) == 0 && status.st_ino != kFirst)
    return {"PID namespace", CheckState::kFail,
            "not the host's: the kernel numbers processes otherwise than they are seen from here",
            "run weft on the host, or its container with --pid=host (hostPID: true)"};
  return {"PID namespace", CheckState::kOk, "the host's", ""};
}

Check CheckLockdown() {
  const Lockdown lockdown = ReadLockdown();
  if (lockdown.state == "confidentiality")
    return {"lockdown", CheckState::kFail, "confidentiality: the kernel refuses to read memory",
            "boot with lockdown=integrity or less"};
  if (lockdown.state.empty()) return {"lockdown", CheckState::kOk, lockdown.how, ""};
  return {"lockdown", CheckState::kOk, fmt::format("{} ({})", lockdown.state, lockdown.how), ""};
}

Check CheckMount(std::string_view type, std::string_view needed_for) {
  const std::string where = FindMount(type);
  return {type == "bpf" ? "bpffs" : std::string(type), CheckState::kOk,
          where.empty() ? fmt::format("not mounted ({})", needed_for) : "at " + where, ""};
}

#if WEFT_HAVE_BPF

// 0 or errno.
int TryMap(uint32_t entry_bytes, uint32_t entries) {
  const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "weft_probe", 4, entry_bytes, entries, nullptr);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

Privileges TryPrivileges() {
  RaiseLockedMemory();
  Privileges have = ReadPrivileges();
  have.maps_refused = have.locked_memory < 2 * kMapBytes && TryMap(8, 1) == 0 &&
                      TryMap(4096, kMapBytes / 4096) == EPERM;
  return have;
}

Check CheckBpfCall(const Privileges& privileges) {
  const int error = TryMap(8, 1);
  if (error == 0) return {"bpf()", CheckState::kOk, "permitted", ""};
  Check check{"bpf()", CheckState::kFail, fmt::format("refused: {}", strerror(error)), ""};
  if (error == ENOSYS)
    check.remedy = "a kernel with CONFIG_BPF_SYSCALL=y";
  else if (error == EPERM && privileges.capabilities != 0)
    check.remedy =
        "permit the system call: in containers --cap-add=BPF --cap-add=PERFMON and a "
        "seccomp profile that allows bpf, or --privileged";
  else
    check.remedy = "run as root";
  return check;
}

// Which families of hooks the running kernel has room for.
void CheckHooks(const KernelTypes& kernel, std::vector<Check>* checks) {
  if (!kernel.known()) {
    checks->push_back({"BTF", CheckState::kFail, "the kernel does not describe its types",
                       "a kernel with CONFIG_DEBUG_INFO_BTF=y (/sys/kernel/btf/vmlinux)"});
    return;
  }
  checks->push_back({"BTF", CheckState::kOk, fmt::format("{} types", kernel.count()), ""});
  const std::string no_calls = MissingTracepoints(HookFamily::kSyscalls, kernel);
  const std::string no_socket = MissingTracepoints(HookFamily::kSocket, kernel);
  checks->push_back({"hooks: socket", no_socket.empty() ? CheckState::kOk : CheckState::kWarn,
                     no_socket.empty() ? fmt::format("there; {}", NotSeen(HookFamily::kSocket))
                                       : "missing: " + no_socket,
                     "kernel 6.16 or newer; until then the system calls are hooked, which every "
                     "system call of this host pays for"});
  checks->push_back({"hooks: syscalls",
                     no_calls.empty()    ? CheckState::kOk
                     : no_socket.empty() ? CheckState::kWarn
                                         : CheckState::kFail,
                     no_calls.empty() ? fmt::format("there; {}", NotSeen(HookFamily::kSyscalls))
                                      : "missing: " + no_calls,
                     "kernel 5.10 or newer"});
}

#else

Privileges TryPrivileges() { return ReadPrivileges(); }

Check CheckBpfCall(const Privileges&) {
  return {"eBPF source", CheckState::kFail, "this weft was built without it",
          "apt-get install clang-14 bpftool libbpf-dev, then build again"};
}

void CheckHooks(const KernelTypes&, std::vector<Check>*) {}

#endif

Check CheckTcpOption() {
  const auto where = TcpOption::Probe();
  if (where.has_value()) return {"TCP option", CheckState::kOk, *where, ""};
  if (where.error().code == Code::kDenied)
    return {"TCP option", CheckState::kWarn, where.error().message, ""};
  return {"TCP option", CheckState::kWarn,
          where.error().message +
              "; requests between hosts are joined by sequence numbers alone, which a SYN proxy "
              "changes",
          "kernel 5.10 or newer with cgroup2; or sources.ebpf.tcp_option: off"};
}

}  // namespace

std::string FindMount(std::string_view type) {
  std::ifstream mounts("/proc/self/mounts");
  std::string device, where, found_type, rest;
  while (mounts >> device >> where >> found_type && std::getline(mounts, rest))
    if (found_type == type) return where;
  return {};
}

std::vector<Check> ProbeHost() {
  std::vector<Check> checks;
  const KernelTypes kernel = KernelTypes::Load();
  const Privileges privileges = TryPrivileges();
  checks.push_back(CheckKernel());
  for (Check& check : CheckPrivileges(privileges)) checks.push_back(std::move(check));
  checks.push_back(CheckBpfCall(privileges));
  CheckHooks(kernel, &checks);
  checks.push_back(CheckPidNamespace());
  checks.push_back(CheckLockdown());
  checks.push_back(CheckTcpOption());
  for (Check& check : CheckBypasses()) checks.push_back(std::move(check));
  checks.push_back(CheckMount("cgroup2", "not needed for tracing; names of units come from /proc"));
  checks.push_back(CheckMount("bpf", "not needed: nothing is pinned"));
  checks.push_back(CheckMount("tracefs", "not needed: typed tracepoints do without"));
  return checks;
}

bool Usable(const std::vector<Check>& checks) {
  for (const Check& check : checks)
    if (check.state == CheckState::kFail) return false;
  return true;
}

}  // namespace weft::ebpf
