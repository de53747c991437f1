#include "engine/cli/ebpf_settings.h"

#include <fmt/format.h>

namespace weft::cli {
namespace {

template <typename To, typename From>
std::vector<To> Cast(const std::vector<From>& from) {
  std::vector<To> to;
  for (const From value : from) to.push_back(static_cast<To>(value));
  return to;
}

ebpf::ProcessSelector ToSelector(const EbpfSelection& selection) {
  return {selection.processes, Cast<uint32_t>(selection.pids), selection.cgroups};
}

std::string Describe(const EbpfSelection& selection) {
  std::string out;
  const auto add = [&out](std::string_view what, const auto& values) {
    if (values.empty()) return;
    out += fmt::format("{}{} {}", out.empty() ? "" : "; ", what, fmt::join(values, ", "));
  };
  add("processes", selection.processes);
  add("pids", selection.pids);
  add("cgroups", selection.cgroups);
  add("ports", selection.ports);
  return out;
}

}  // namespace

ebpf::EbpfConfig ToEbpfConfig(const Config& config) {
  const EbpfSettings& settings = config.ebpf;
  ebpf::EbpfConfig out;
  out.include = ToSelector(settings.include);
  out.exclude = ToSelector(settings.exclude);
  out.include_ports = Cast<uint16_t>(settings.include.ports);
  out.exclude_ports = Cast<uint16_t>(settings.exclude.ports);
  out.hooks = settings.hooks == "socket"     ? ebpf::Hooks::kSocket
              : settings.hooks == "syscalls" ? ebpf::Hooks::kSyscalls
                                             : ebpf::Hooks::kAuto;
  out.capture_bytes = static_cast<uint32_t>(settings.capture_bytes);
  out.data_ring_bytes = static_cast<uint32_t>(settings.ring_bytes);
  out.capture_truth_header = settings.capture_truth;
  out.redis_arguments = settings.redis_arguments;
  out.tcp_option = settings.tcp_option == "off"   ? ebpf::TcpOptionPeers::kOff
                   : settings.tcp_option == "all" ? ebpf::TcpOptionPeers::kAll
                                                  : ebpf::TcpOptionPeers::kRemote;
  out.headers = settings.headers;
  out.units = settings.units;
  out.secret_names = settings.secret_names;
  out.tokens = settings.tokens;
  out.token_salt = settings.token_salt;
  out.token_exclude = settings.token_exclude;
  out.tcp_spans = settings.tcp_spans;
  out.trusted_networks = config.networks;
  return out;
}

std::string DescribeSelection(const EbpfSettings& settings) {
  std::string out = Describe(settings.include);
  if (out.empty()) out = "every process on this host";
  if (const std::string never = Describe(settings.exclude); !never.empty()) out += " but " + never;
  return out;
}

}  // namespace weft::cli
