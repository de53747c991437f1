#include "sources/ebpf/privileges.h"

#include <fstream>
#include <system_error>
#include <filesystem>

#include <linux/capability.h>
#include <sys/resource.h>

#include <fmt/format.h>

namespace weft::ebpf {
namespace {

// CAP_PERFMON and CAP_BPF came with 5.8; older headers do not name them.
constexpr int kCapPerfmon = 38, kCapBpf = 39;

struct Need {
  int capability;
  const char* name;
  bool of_admin;  // CAP_SYS_ADMIN includes it
  CheckState without;
  const char* loss;
};

constexpr Need kNeeds[] = {
    {kCapBpf, "CAP_BPF", true, CheckState::kFail, "the kernel takes no programs from weft"},
    {kCapPerfmon, "CAP_PERFMON", true, CheckState::kFail,
     "the kernel's programs may not read what other programs send"},
    {CAP_NET_ADMIN, "CAP_NET_ADMIN", false, CheckState::kWarn,
     "no ids in TCP options (sources.ebpf.tcp_option): connections are joined by their sequence "
     "numbers alone"},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false, CheckState::kWarn,
     "executables of other users' processes stay hidden, before kernel 6.14 environments too: "
     "services "
     "are named after their command lines, without OTEL_SERVICE_NAME"},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false, CheckState::kWarn,
     "environments of other users' processes and names of containers stay hidden: services are "
     "named after their command lines, without OTEL_SERVICE_NAME"},
};

Check CheckLockedMemory(const Privileges& have) {
  return {
      "locked memory", CheckState::kFail,
      fmt::format("{} KB: this kernel (older than 5.11) charges the buffers to it, {} MB",
                  have.locked_memory >> 10, kMapBytes >> 20),
      "ulimit -l unlimited (as root, before weft starts), or LimitMEMLOCK=infinity in its unit"};
}

}  // namespace

Privileges ReadPrivileges() {
  Privileges have;
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with("CapEff:")) have.capabilities = std::stoull(line.substr(7), nullptr, 16);
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  have.locked_memory = limit.rlim_cur;
  std::error_code error;
  have.executable = std::filesystem::read_symlink("/proc/self/exe", error);
  if (have.executable.empty()) have.executable = "weft";
  return have;
}

void RaiseLockedMemory() {
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}

std::vector<Check> CheckPrivileges(const Privileges& have) {
  std::vector<Check> checks;
  const std::string remedy = fmt::format("run as root, or with all it needs: sudo setcap {}+ep {}",
                                         kCapabilityList, have.executable);
  for (const Need& need : kNeeds) {
    if (have.Has(need.capability) || (need.of_admin && have.Has(CAP_SYS_ADMIN))) continue;
    checks.push_back({need.name, need.without, fmt::format("missing: {}", need.loss), remedy});
  }
  if (checks.empty())
    checks.push_back({"capabilities", CheckState::kOk, "all that are needed", ""});
  if (have.maps_refused) checks.push_back(CheckLockedMemory(have));
  return checks;
}

}  // namespace weft::ebpf
