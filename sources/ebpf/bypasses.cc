#include "sources/ebpf/bypasses.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#if WEFT_HAVE_BPF
#include <bpf/bpf.h>
#include <unistd.h>
#endif

namespace weft::ebpf {
namespace {

Check Verdict(const char* name, uint64_t found, const char* what, const char* consequence,
              const char* remedy) {
  if (found == 0) return {name, CheckState::kOk, "none", ""};
  return {name, CheckState::kWarn, fmt::format("{} {}: {}", found, what, consequence), remedy};
}

Check CheckKernelTls() {
  std::ifstream stat("/proc/net/tls_stat");  // there once the module is
  return Verdict("kernel TLS", KernelTlsSockets(stat), "sockets",
                 "the kernel encrypts what they carry below the hooks; it is not read",
                 "switch it off where they are made (nginx: ssl_conf_command Options -KTLS)");
}

Check CheckMptcp() {
  std::ifstream protocols("/proc/net/protocols");
  return Verdict(
      "MPTCP", MptcpSockets(protocols), "sockets", "what they carry is not seen",
      "sysctl -w net.mptcp.enabled=0, and start those programs again: they use TCP then");
}

#if WEFT_HAVE_BPF

Check CheckSockmaps() {
  uint64_t found = 0;
  uint32_t id = 0;
  while (bpf_map_get_next_id(id, &id) == 0) {
    const int fd = bpf_map_get_fd_by_id(id);
    if (fd < 0) continue;  // it is gone, or not for us to see
    bpf_map_info info{};
    uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0 &&
        (info.type == BPF_MAP_TYPE_SOCKMAP || info.type == BPF_MAP_TYPE_SOCKHASH))
      found++;
    close(fd);
  }
  if (errno == EPERM)
    return {"sockmap", CheckState::kOk, "only CAP_SYS_ADMIN may list other programs' maps", ""};
  return Verdict("sockmap", found, "maps",
                 "bytes that they redirect between sockets are in no send and no receive",
                 "bpftool map list | grep sock; switch off what made them (Cilium: socket "
                 "acceleration)");
}

#endif

}  // namespace

uint64_t KernelTlsSockets(std::istream& tls_stat) {
  std::string name;
  uint64_t value = 0;
  uint64_t sending = 0, receiving = 0;
  while (tls_stat >> name >> value) {
    if (name == "TlsCurrTxSw" || name == "TlsCurrTxDevice") sending += value;
    if (name == "TlsCurrRxSw" || name == "TlsCurrRxDevice") receiving += value;
  }
  return std::max(sending, receiving);
}

uint64_t MptcpSockets(std::istream& protocols) {
  constexpr auto kLine = std::numeric_limits<std::streamsize>::max();
  std::string name;
  uint64_t size = 0, sockets = 0, found = 0;
  protocols.ignore(kLine, '\n');  // the heads
  while (protocols >> name >> size >> sockets) {
    if (name == "MPTCP" || name == "MPTCPv6") found += sockets;
    protocols.ignore(kLine, '\n');
  }
  return found;
}

std::vector<Check> CheckBypasses() {
  std::vector<Check> checks = {CheckKernelTls(), CheckMptcp()};
#if WEFT_HAVE_BPF
  checks.push_back(CheckSockmaps());
#endif
  return checks;
}

}  // namespace weft::ebpf
