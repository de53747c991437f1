#include "sources/ebpf/probe_report.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sources/ebpf/hook_family.h"
#include "sources/ebpf/lockdown.h"

#if WEFT_HAVE_BPF
#include <bpf/bpf.h>
#endif

namespace weft::ebpf {
namespace {

// CAP_PERFMON and CAP_BPF came with 5.8; older headers do not name them.
constexpr int kCapPerfmon = 38, kCapBpf = 39;

uint64_t EffectiveCapabilities() {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with("CapEff:")) return std::stoull(line.substr(7), nullptr, 16);
  return 0;
}

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

Check CheckCapabilities() {
  const uint64_t have = EffectiveCapabilities();
  auto has = [have](int capability) { return (have >> capability & 1) != 0; };
  std::string missing;
  for (const auto& [capability, name] :
       {std::pair{kCapBpf, "CAP_BPF"}, std::pair{kCapPerfmon, "CAP_PERFMON"}}) {
    if (!has(capability) && !has(CAP_SYS_ADMIN)) missing += fmt::format(" {}", name);
  }
  if (!missing.empty())
    return {"capabilities", CheckState::kFail, "missing:" + missing,
            "run as root, or: sudo setcap cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,"
            "cap_dac_read_search+ep <weft>"};
  for (const auto& [capability, name] : {std::pair{CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
                                         std::pair{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"}}) {
    if (!has(capability)) missing += fmt::format(" {}", name);
  }
  if (!missing.empty())
    return {"capabilities", CheckState::kWarn,
            "names and environments of other users' processes stay hidden without" + missing,
            "run as root"};
  return {"capabilities", CheckState::kOk, "all that are needed", ""};
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
  return {std::string(type), CheckState::kOk,
          where.empty() ? fmt::format("not mounted ({})", needed_for) : "at " + where, ""};
}

#if WEFT_HAVE_BPF

Check CheckBpfCall() {
  LIBBPF_OPTS(bpf_map_create_opts, options);
  const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "weft_probe", 4, 8, 1, &options);
  if (fd >= 0) {
    close(fd);
    return {"bpf()", CheckState::kOk, "permitted", ""};
  }
  const int error = errno;
  Check check{"bpf()", CheckState::kFail, fmt::format("refused: {}", strerror(error)), ""};
  if (error == ENOSYS)
    check.remedy = "a kernel with CONFIG_BPF_SYSCALL=y";
  else if (error == EPERM && EffectiveCapabilities() != 0)
    check.remedy =
        "permit the system call: in containers --cap-add=BPF --cap-add=PERFMON and a "
        "seccomp profile that allows bpf, or --privileged";
  else
    check.remedy = "run as root";
  return check;
}

// Which families of hooks the running kernel has room for.
void CheckHooks(std::vector<Check>* checks) {
  const KernelTypes kernel = KernelTypes::Load();
  if (!kernel.known()) {
    checks->push_back({"BTF", CheckState::kFail, "the kernel does not describe its types",
                       "a kernel with CONFIG_DEBUG_INFO_BTF=y (/sys/kernel/btf/vmlinux)"});
    return;
  }
  checks->push_back({"BTF", CheckState::kOk, fmt::format("{} types", kernel.count()), ""});
  const std::string no_calls = MissingTracepoints(HookFamily::kSyscalls, kernel);
  const std::string no_socket = MissingTracepoints(HookFamily::kSocket, kernel);
  checks->push_back({"hooks: socket", no_socket.empty() ? CheckState::kOk : CheckState::kWarn,
                     no_socket.empty() ? "there" : "missing: " + no_socket,
                     "kernel 6.16 or newer; until then the system calls are hooked, at about "
                     "twice the cost"});
  checks->push_back({"hooks: syscalls",
                     no_calls.empty()    ? CheckState::kOk
                     : no_socket.empty() ? CheckState::kWarn
                                         : CheckState::kFail,
                     no_calls.empty() ? "there" : "missing: " + no_calls, "kernel 5.10 or newer"});
}

#else

Check CheckBpfCall() {
  return {"eBPF source", CheckState::kFail, "this weft was built without it",
          "apt-get install clang-14 bpftool libbpf-dev, then build again"};
}

void CheckHooks(std::vector<Check>*) {}

#endif

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
  checks.push_back(CheckKernel());
  checks.push_back(CheckCapabilities());
  checks.push_back(CheckBpfCall());
  CheckHooks(&checks);
  checks.push_back(CheckLockdown());
  checks.push_back(CheckMount("cgroup2", "not needed for tracing; names of units come from /proc"));
  checks.push_back(CheckMount("tracefs", "not needed: typed tracepoints do without"));
  return checks;
}

bool Usable(const std::vector<Check>& checks) {
  for (const Check& check : checks)
    if (check.state == CheckState::kFail) return false;
  return true;
}

}  // namespace weft::ebpf
