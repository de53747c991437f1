#include "sources/ebpf/tcp_option.h"

#if WEFT_HAVE_BPF

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>

#include <fmt/format.h>

#include "bpf/tcp_option.skel.h"
#include "sources/ebpf/cgroup_root.h"
#include "sources/ebpf/libbpf_words.h"
#include "sources/ebpf/privileges.h"
#include "sources/ebpf/trusted_networks.h"

namespace weft::ebpf {
namespace {

// As struct weft_network in the program: IPv4 is ::ffff:a.b.c.d.
struct NetworkKey {
  uint32_t bits = 0;
  std::array<uint8_t, 16> address{};
};
static_assert(sizeof(NetworkKey) == 20);

NetworkKey KeyOf(const TrustedNetworks::Network& network) {
  if (network.ipv6) return {network.bits, network.address};
  NetworkKey key{96u + network.bits, {}};
  key.address[10] = key.address[11] = 0xff;
  std::memcpy(&key.address[12], network.address.data(), 4);
  return key;
}

struct SkeletonDeleter {
  void operator()(tcp_option* s) const { tcp_option__destroy(s); }
};
struct LinkDeleter {
  void operator()(bpf_link* l) const { bpf_link__destroy(l); }
};

bool MayAttach() {
  const Privileges have = ReadPrivileges();
  return have.Has(CAP_NET_ADMIN) || have.Has(CAP_SYS_ADMIN);
}

std::unexpected<Error> Refused(int error, const LibbpfWords& words, std::string_view what) {
  std::string message = fmt::format("{}: {}", what, strerror(error));
  if (const std::string cause = words.Cause(); !cause.empty())
    message += fmt::format(" [{}]", cause);
  return Fail(Code::kUnsupported, message);
}

}  // namespace

class TcpOption::Impl {
 public:
  explicit Impl(CgroupRoot cgroup) : cgroup_(std::move(cgroup)), where_(cgroup_.how()) {
    if (!cgroup_.whole_host()) where_ += ", for the sockets of that cgroup";
  }
  Result<void> Load(const EbpfConfig& config, uint64_t boot_id, int data_ring_fd);
  Result<void> FillNetworks(const EbpfConfig& config);
  void Set(const NetworkKey& key, bool remote) {
    const uint8_t value = remote ? 1 : 0;
    (void)bpf_map_update_elem(bpf_map__fd(skeleton_->maps.remotes), &key, &value, BPF_ANY);
  }
  void SetHostNetwork(const std::string& text);

  CgroupRoot cgroup_;
  std::string where_;
  std::unique_ptr<tcp_option, SkeletonDeleter> skeleton_;
  std::unique_ptr<bpf_link, LinkDeleter> link_;
  std::unordered_set<std::string> told_;
};

Result<void> TcpOption::Impl::Load(const EbpfConfig& config, uint64_t boot_id, int data_ring_fd) {
  LibbpfWords words;
  skeleton_.reset(tcp_option__open());
  if (!skeleton_) return Refused(errno, words, "cannot open the program");
  skeleton_->rodata->boot_salt = boot_id;
  skeleton_->rodata->all_peers = config.tcp_option == TcpOptionPeers::kAll;
  if (const int error = bpf_map__reuse_fd(skeleton_->maps.data_ring, data_ring_fd); error != 0)
    return Refused(-error, words, "cannot share the data ring");
  if (const int error = tcp_option__load(skeleton_.get()); error != 0)
    return Refused(-error, words, "the kernel does not take the program (5.10 and newer do)");
  return FillNetworks(config);
}

Result<void> TcpOption::Impl::FillNetworks(const EbpfConfig& config) {
  auto networks = TrustedNetworks::Parse(config.trusted_networks);
  if (!networks.has_value()) return std::unexpected(networks.error());
  for (const auto& network : networks->networks()) Set(KeyOf(network), true);
  for (const char* own : {"127.0.0.0/8", "::1/128"}) SetHostNetwork(own);
  return {};
}

void TcpOption::Impl::SetHostNetwork(const std::string& text) {
  const auto parsed = TrustedNetworks::Parse(std::array{text});
  if (!parsed.has_value()) return;
  for (const auto& network : parsed->networks()) Set(KeyOf(network), false);
}

TcpOption::TcpOption(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TcpOption::~TcpOption() = default;

Result<std::unique_ptr<TcpOption>> TcpOption::Open(const EbpfConfig& config, uint64_t boot_id,
                                                   int data_ring_fd) {
  if (!MayAttach()) return Fail(Code::kDenied, "CAP_NET_ADMIN is missing");
  auto cgroup = CgroupRoot::Open(config.tcp_option_cgroup);
  if (!cgroup.has_value()) return std::unexpected(cgroup.error());
  auto impl = std::make_unique<Impl>(std::move(*cgroup));
  WEFT_TRY(impl->Load(config, boot_id, data_ring_fd));
  return std::unique_ptr<TcpOption>(new TcpOption(std::move(impl)));
}

Result<void> TcpOption::Attach() {
  LibbpfWords words;
  impl_->link_.reset(
      bpf_program__attach_cgroup(impl_->skeleton_->progs.tcp_option, impl_->cgroup_.fd()));
  if (!impl_->link_)
    return Refused(errno, words, fmt::format("cannot attach to cgroup2 {}", impl_->where_));
  return {};
}

void TcpOption::Detach() { impl_->link_.reset(); }

void TcpOption::SetHostAddresses(std::span<const std::string> addresses) {
  for (const std::string& address : addresses)
    if (impl_->told_.insert(address).second) impl_->SetHostNetwork(address);
}

Result<weft_option_stats> TcpOption::Counts() const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return Fail(Code::kIo, "cannot tell the number of CPUs");
  std::vector<weft_option_stats> per_cpu(static_cast<size_t>(cpus));
  const uint32_t zero = 0;
  if (bpf_map_lookup_elem(bpf_map__fd(impl_->skeleton_->maps.option_stats), &zero,
                          per_cpu.data()) != 0)
    return Fail(Code::kIo, fmt::format("cannot read the option's counters: {}", strerror(errno)));
  weft_option_stats sum{};
  for (const weft_option_stats& s : per_cpu) {
    sum.connected += s.connected;
    sum.acknowledged += s.acknowledged;
    sum.given_up += s.given_up;
    sum.no_room += s.no_room;
    sum.received += s.received;
    sum.told += s.told;
    sum.ring_full += s.ring_full;
    sum.map_full += s.map_full;
    sum.segments += s.segments;
    sum.refused += s.refused;
  }
  return sum;
}

const std::string& TcpOption::where() const { return impl_->where_; }

Result<std::string> TcpOption::Probe() {
  if (!MayAttach()) return Fail(Code::kDenied, "off without CAP_NET_ADMIN");
  if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCK_OPS, BPF_FUNC_store_hdr_opt, nullptr) <= 0)
    return Fail(Code::kUnsupported, "this kernel cannot write TCP options (5.10 and newer can)");
  auto cgroup = CgroupRoot::Open();
  if (!cgroup.has_value()) return std::unexpected(cgroup.error());
  return "cgroup2 " + Impl(std::move(*cgroup)).where_;
}

}  // namespace weft::ebpf

#else  // !WEFT_HAVE_BPF

namespace weft::ebpf {

class TcpOption::Impl {};

TcpOption::TcpOption(std::unique_ptr<Impl>) {}
TcpOption::~TcpOption() = default;
Result<std::unique_ptr<TcpOption>> TcpOption::Open(const EbpfConfig&, uint64_t, int) {
  return Fail(Code::kUnsupported, "built without the eBPF source");
}
Result<void> TcpOption::Attach() { return Fail(Code::kUnsupported, "built without eBPF"); }
void TcpOption::Detach() {}
void TcpOption::SetHostAddresses(std::span<const std::string>) {}
Result<weft_option_stats> TcpOption::Counts() const { return weft_option_stats{}; }
const std::string& TcpOption::where() const {
  static const std::string nowhere;
  return nowhere;
}
Result<std::string> TcpOption::Probe() {
  return Fail(Code::kUnsupported, "built without the eBPF source");
}

}  // namespace weft::ebpf

#endif
