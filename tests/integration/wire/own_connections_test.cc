// The agent's own connections are left alone at both ends, also where an address is translated in
// between: a broker behind a published port or a service address may run on this very host.
#include <chrono>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bpf/wire.h"
#include "tests/integration/wire/wire_fixture.h"
#include "tests/support/requirement.h"

namespace weft::test {
namespace {

// Of the table of own connections that a file descriptor of this process holds; -1: there is none.
int KeysOfTable() {
  for (int fd = 0; fd < getdtablesize(); fd++) {
    bpf_map_info info{};
    uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0 ||
        std::strcmp(info.name, "own_connections") != 0)
      continue;
    weft_ends key{};
    int keys = 0;
    for (const weft_ends* last = nullptr; bpf_map_get_next_key(fd, last, &key) == 0; last = &key)
      keys++;
    return keys;
  }
  return -1;
}

// A connection's last change of state may come after its close().
int KeysOfTableAtRest() {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (KeysOfTable() > 0 && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return KeysOfTable();
}

class OwnConnections : public WireTest, public testing::WithParamInterface<ebpf::Hooks> {};

TEST_P(OwnConnections, ThroughATranslatedAddressAreLeftAloneAtBothEnds) {
  Namespace a("a"), b("b"), router("r");
  Namespace::Connect(a, "10.77.1.1/24", router, "10.77.1.254/24");
  Namespace::Connect(b, "10.77.2.2/24", router, "10.77.2.254/24");
  a.Run("ip route add default via 10.77.1.254");
  b.Run("ip route add default via 10.77.2.254");
  router.Sysctl("ipv4/ip_forward", "1");
  ASSERT_EQ(a.errors() + b.errors() + router.errors(), "");
  router.Rules(R"(table ip nat { chain pre {
  type nat hook prerouting priority -100;
  ip daddr 10.99.0.1 dnat to 10.77.2.2;
}
})");
  if (!router.errors().empty())
    GTEST_SKIP() << "this kernel has no such rules: " << router.errors();

  const Gate listening;
  constexpr int kConnections = 3;
  TracedProcess server([&] {
    if (!b.Enter()) return 90;
    const int listener = ListenTalk({.address = "10.77.2.2"});
    listening.Pass();
    return listener < 0 ? 91 : ServeTalk(listener, kConnections);
  });
  server.Go();
  listening.WaitReached();
  listening.Open();
  const SystemClock clock;
  Metrics metrics;
  const auto logger = StderrLogger(LogLevel::kWarn);
  transport::MemoryTransport transport({.partitions = 1}, clock, metrics);
  ebpf::EbpfConfig config;
  config.hooks = GetParam();
  config.tcp_option = ebpf::TcpOptionPeers::kOff;
  config.include.pids = {server.pid()};
  auto source = ebpf::EbpfSource::Start(config, transport, clock, metrics, *logger);
  ASSERT_TRUE(source.has_value()) << source.error().message;
  int code = -1;
  std::thread client([&] {
    if (a.Enter())
      code = RequestTalk({.address = "10.99.0.1", .connections = kConnections, .requests = 10});
  });
  client.join();
  EXPECT_EQ(code, 0);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_EQ(KeysOfTableAtRest(), 0);
  EXPECT_TRUE((*source)->Stop().has_value());
  EXPECT_EQ(metrics.Get("agent.records").Get(), 0u);
  EXPECT_GE(metrics.Get("kernel.filtered").Get(), 4u * 10 * kConnections);
}

// Nobody accepts what a socket connects to itself, as if the other end were on another host.
TEST_P(OwnConnections, AreForgottenWhenTheyEnd) {
  const SystemClock clock;
  Metrics metrics;
  const auto logger = StderrLogger(LogLevel::kWarn);
  transport::MemoryTransport transport({.partitions = 1}, clock, metrics);
  ebpf::EbpfConfig config;
  config.hooks = GetParam();
  config.tcp_option = ebpf::TcpOptionPeers::kOff;
  auto source = ebpf::EbpfSource::Start(config, transport, clock, metrics, *logger);
  ASSERT_TRUE(source.has_value()) << source.error().message;
  const int before = KeysOfTable();
  ASSERT_GE(before, 0);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(fd, any, size), 0);
  ASSERT_EQ(getsockname(fd, any, &size), 0);
  ASSERT_EQ(connect(fd, any, size), 0) << strerror(errno);
  EXPECT_EQ(KeysOfTable(), before + 2);
  close(fd);
  EXPECT_EQ(KeysOfTableAtRest(), before);
  EXPECT_TRUE((*source)->Stop().has_value());
}

INSTANTIATE_TEST_SUITE_P(Hooks, OwnConnections,
                         testing::Values(ebpf::Hooks::kSocket, ebpf::Hooks::kSyscalls),
                         [](const auto& hooks) {
                           return hooks.param == ebpf::Hooks::kSocket ? "Socket" : "Syscalls";
                         });

}  // namespace
}  // namespace weft::test
