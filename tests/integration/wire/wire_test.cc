// The two keys by which requests find their callers, on real connections between namespaces: what
// keeps sequence numbers, what changes them, what the option must stand, and what it must not cost.
#include "tests/integration/wire/path_emulator.h"
#include "tests/integration/wire/wire_fixture.h"
#include "tests/support/requirement.h"

namespace weft::test {
namespace {

using ebpf::TcpOptionPeers;

constexpr const char* kHere = "10.77.1.1/24";
constexpr const char* kThere = "10.77.1.2/24";

// A cable between two namespaces.
class CableTest : public WireTest {
 protected:
  void SetUp() override {
    WireTest::SetUp();
    if (HasFatalFailure() || IsSkipped()) return;
    Namespace::Connect(a_, kHere, b_, kThere);
    Namespace::Connect(a_, "fd77::1/64", b_, "fd77::2/64");
    ASSERT_EQ(a_.errors() + b_.errors(), "");
  }
  // Joined by sequence numbers alone, and with the option on every request.
  void ExpectJoinedEitherWay(const TalkOptions& talk) {
    const auto requests = static_cast<size_t>(talk.connections * talk.requests);
    AddTalk(a_, b_, talk);
    const Joined off = Trace(TcpOptionPeers::kOff);
    ExpectJoined(off, requests);
    EXPECT_EQ(off.with_option, 0u);
    AddTalk(a_, b_, talk);
    const Joined on = Trace(TcpOptionPeers::kAll);
    ExpectJoined(on, requests);
    EXPECT_EQ(on.with_option, requests);
    EXPECT_EQ(on.option_ids, requests);
    EXPECT_EQ(on.same_wire, requests);
  }
  Namespace a_{"a"}, b_{"b"};
};

TEST_F(CableTest, PlainConnections) {
  ExpectJoinedEitherWay({.address = "10.77.1.2", .connections = 20, .requests = 50});
}

TEST_F(CableTest, PlainConnectionsBySystemCalls) {
  HookInto(ebpf::Hooks::kSyscalls);
  ExpectJoinedEitherWay({.address = "10.77.1.2", .connections = 20, .requests = 50});
}

TEST_F(CableTest, Ipv6) {
  ExpectJoinedEitherWay({.address = "fd77::2", .connections = 5, .requests = 10});
}

TEST_F(CableTest, V4MappedAddresses) {
  ExpectJoinedEitherWay({.address = "::ffff:10.77.1.2", .connections = 5, .requests = 10});
}

TEST_F(CableTest, PipelinedRequests) {
  ExpectJoinedEitherWay(
      {.address = "10.77.1.2", .connections = 5, .requests = 200, .pipelined = 20});
}

TEST_F(CableTest, LargePostsAtMtu1500) {
  ExpectJoinedEitherWay(
      {.address = "10.77.1.2", .connections = 20, .requests = 5, .body_bytes = 65536});
}

TEST_F(CableTest, SynCookies) {
  b_.Sysctl("ipv4/tcp_syncookies", "2");  // always
  ASSERT_EQ(b_.errors(), "");
  ExpectJoinedEitherWay({.address = "10.77.1.2", .connections = 10, .requests = 10});
}

// The first connection fetches the cookie, the others send their first request with the SYN; that
// one has no option, those after it have.
TEST_F(CableTest, FastOpen) {
  for (Namespace* end : {&a_, &b_}) end->Sysctl("ipv4/tcp_fastopen", "3");
  ASSERT_EQ(a_.errors() + b_.errors(), "");
  AddTalk(a_, b_, {.address = "10.77.1.2", .connections = 10, .requests = 10, .fast_open = true});
  const Joined joined = Trace(TcpOptionPeers::kAll);
  EXPECT_GE(joined.requests, 90u);
  EXPECT_EQ(joined.right, joined.requests);
  EXPECT_GE(joined.with_option, 90u);
}

TEST_F(CableTest, TenThousandConnectionsAtOnce) {
  constexpr size_t kConnections = 10'000;
  for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
    const bool on = peers == TcpOptionPeers::kAll;
    // Each on a port of its own: the client's end of the first ones is still in TIME_WAIT.
    AddTalk(a_, b_,
            {.address = "10.77.1.2",
             .port = static_cast<uint16_t>(on ? 8080 : 8081),
             .connections = static_cast<int>(kConnections),
             .at_once = true});
    const Joined joined = Trace(peers);
    ExpectJoined(joined, kConnections);
    if (!on) continue;
    // Each was written and read once, and is done.
    EXPECT_EQ(joined.with_option, kConnections);
    EXPECT_EQ(Metric("kernel.option_connected"), kConnections);
    EXPECT_EQ(Metric("kernel.option_received"), kConnections);
    EXPECT_EQ(Metric("kernel.option_acknowledged"), kConnections);
  }
}

TEST_F(CableTest, ConnectionsOlderThanTheAgent) {
  for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
    ConnectBefore();
    AddTalk(a_, b_, {.address = "10.77.1.2", .connections = 10, .requests = 20});
    const Joined joined = Trace(peers);
    ExpectJoined(joined, 100);
    EXPECT_EQ(joined.with_option, 0u);  // it is only written while a connection is new
  }
}

// However much is said on a connection, the kernel calls the program about its first segments only.
TEST_F(CableTest, NoCallbackIsLeftAfterTheFirstAcknowledgedSegment) {
  AddTalk(a_, b_, {.address = "10.77.1.2", .requests = 5000});
  const Joined joined = Trace(TcpOptionPeers::kAll);
  ExpectJoined(joined, 5000);
  EXPECT_EQ(joined.with_option, 5000u);
  EXPECT_EQ(Metric("kernel.option_acknowledged"), 1u);
  EXPECT_LE(Metric("kernel.option_segments"), 10u);
}

// Both reserve room, one writes, and they mean the same id.
TEST_F(CableTest, TwoAgentsOnOneHostDoNotDisturbEachOther) {
  const SystemClock clock;
  Metrics metrics;
  const auto logger = StderrLogger(LogLevel::kWarn);
  transport::MemoryTransport transport({.partitions = 1}, clock, metrics);
  AddTalk(a_, b_, {.address = "10.77.1.2", .connections = 10, .requests = 20});
  auto other =
      ebpf::EbpfSource::Start(Config(TcpOptionPeers::kAll), transport, clock, metrics, *logger);
  ASSERT_TRUE(other.has_value()) << other.error().message;
  const Joined joined = Trace(TcpOptionPeers::kAll);
  EXPECT_TRUE((*other)->Stop().has_value());
  ExpectJoined(joined, 200);
  EXPECT_EQ(joined.with_option, 200u);
  for (const char* name : {"kernel.option_received", "kernel.option_acknowledged"}) {
    EXPECT_EQ(Metric(name), 10u) << name;
    EXPECT_EQ(metrics.Get(name).Get(), 10u) << name;
  }
}

// As those of a pool that waits for work.
TEST_F(CableTest, ConnectionsThatSaidNothingYetKeepTheOptionWhenTheAgentIsReplaced) {
  const SystemClock clock;
  Metrics metrics;
  const auto logger = StderrLogger(LogLevel::kWarn);
  transport::MemoryTransport transport({.partitions = 1}, clock, metrics);
  ConnectBefore();
  AddTalk(a_, b_, {.address = "10.77.1.2", .connections = 10, .requests = 1});
  auto first =
      ebpf::EbpfSource::Start(Config(TcpOptionPeers::kAll), transport, clock, metrics, *logger);
  ASSERT_TRUE(first.has_value()) << first.error().message;
  BeforeRequests([&] { EXPECT_TRUE((*first)->Stop().has_value()); });
  const Joined joined = Trace(TcpOptionPeers::kAll);
  ExpectJoined(joined, 10);
  EXPECT_EQ(joined.with_option, 10u);
  EXPECT_EQ(metrics.Get("kernel.option_told").Get(), 0u);
}

TEST_F(CableTest, ThePathOfNetemLosesAndReorders) {
  const std::string refused =
      Shell("ip netns exec " + a_.name() +
            " tc qdisc add dev v0 root netem delay 1ms 1ms loss 2% reorder 5%");
  if (!refused.empty()) GTEST_SKIP() << "this kernel has no netem: " << refused;
  AddTalk(a_, b_, {.address = "10.77.1.2", .connections = 50, .requests = 20});
  ExpectJoined(Trace(TcpOptionPeers::kAll), 1000);
}

// Loopback, and addresses outside the networks, get no option by default.
TEST_F(CableTest, ByDefaultOnlyOtherHostsInPrivateNetworksGetTheOption) {
  a_.Run("ip addr add 203.0.113.1/24 dev v0");
  b_.Run("ip addr add 203.0.113.2/24 dev v0");
  ASSERT_EQ(a_.errors() + b_.errors(), "");
  AddTalk(a_, b_, {.address = "10.77.1.2", .requests = 10, .name = "private"});
  AddTalk(a_, b_, {.address = "203.0.113.2", .port = 8081, .requests = 10, .name = "public"});
  AddTalk(a_, a_, {.address = "127.0.0.1", .requests = 10, .name = "loopback"});
  const Joined joined = Trace(TcpOptionPeers::kRemote);
  EXPECT_EQ(joined.requests, 30u);
  EXPECT_EQ(joined.with_option, 10u);
  EXPECT_EQ(joined.same_wire, 30u);
  EXPECT_EQ(Metric("kernel.option_connected"), 1u);
}

TEST_F(WireTest, TheSameLoopbackAddressesAndPortsInTwoNamespaces) {
  for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
    const Namespace one("one"), two("two");
    ASSERT_EQ(one.errors() + two.errors(), "");
    for (const Namespace* ns : {&one, &two})
      AddTalk(*ns, *ns,
              {.address = "127.0.0.1",
               .from_port = 40000,
               .requests = 100,
               .name = ns == &one ? "one" : "two"});
    ExpectJoined(Trace(peers), 200);
  }
}

// a -- router -- b
class RoutedTest : public WireTest {
 protected:
  void SetUp() override {
    WireTest::SetUp();
    if (HasFatalFailure() || IsSkipped()) return;
    Namespace::Connect(a_, "10.77.1.1/24", router_, "10.77.1.254/24");
    Namespace::Connect(b_, "10.77.2.2/24", router_, "10.77.2.254/24");
    a_.Run("ip route add default via 10.77.1.254");
    b_.Run("ip route add default via 10.77.2.254");
    router_.Sysctl("ipv4/ip_forward", "1");
    ASSERT_EQ(a_.errors() + b_.errors() + router_.errors(), "");
  }
  // False: the kernel lacks it.
  bool Rules(const std::string& rules) {
    router_.Rules(rules);
    EXPECT_EQ(router_.errors().find("syntax error"), std::string::npos) << router_.errors();
    return router_.errors().empty();
  }
  void ExpectJoinedThrough(const std::string& rules, const std::string& called) {
    if (!Rules(rules)) GTEST_SKIP() << "this kernel has no such rules: " << router_.errors();
    for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
      AddTalk(a_, b_, {.address = called, .connections = 10, .requests = 20},
              {.address = "10.77.2.2", .connections = 10});
      const Joined joined = Trace(peers);
      ExpectJoined(joined, 200);
      EXPECT_EQ(joined.with_option, peers == TcpOptionPeers::kAll ? 200u : 0u);
    }
  }
  Namespace a_{"a"}, b_{"b"}, router_{"r"};
};

TEST_F(RoutedTest, TranslatedDestination) {
  ExpectJoinedThrough(R"(table ip nat { chain pre {
  type nat hook prerouting priority -100;
  ip daddr 10.99.0.1 dnat to 10.77.2.2;
}
})",
                      "10.99.0.1");
}

TEST_F(RoutedTest, TranslatedSource) {
  ExpectJoinedThrough(R"(table ip nat { chain post {
  type nat hook postrouting priority 100;
  oifname v1 masquerade;
}
})",
                      "10.77.2.2");
}

// The kernel's own SYN proxy chooses the server's sequence numbers anew.
TEST_F(RoutedTest, BehindASynProxyOnlyTheOptionSurvives) {
  const bool there = Rules(R"(table ip proxy {
chain pre {
  type filter hook prerouting priority -300;
  tcp dport 8080 tcp flags syn notrack;
}
chain forward {
  type filter hook forward priority 0;
  tcp dport 8080 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm;
  ct state invalid drop;
}
})");
  router_.Sysctl("netfilter/nf_conntrack_tcp_loose", "0");
  if (!there || !router_.errors().empty())
    GTEST_SKIP() << "this kernel has no SYN proxy: " << router_.errors();
  const TalkOptions talk{.address = "10.77.2.2", .connections = 10, .requests = 20};
  AddTalk(a_, b_, talk);
  const Joined on = Trace(TcpOptionPeers::kAll);
  // A connection that retransmits twice, which a starved machine causes too, goes on without it on
  // purpose.
  const uint64_t without = Metric("kernel.option_given_up") * static_cast<uint64_t>(talk.requests);
  EXPECT_LE(without, 20u);
  EXPECT_EQ(on.requests, 200u);
  EXPECT_GE(on.right + without, 200u) << without << " on connections that gave the option up";
  EXPECT_GE(on.with_option + without, 200u);
  EXPECT_EQ(on.same_wire, 0u);
  AddTalk(a_, b_, talk);
  EXPECT_EQ(Trace(TcpOptionPeers::kOff).right, 0u);
}

TEST_F(RoutedTest, RedisBehindATranslatedDestination) {
  if (!Shell("command -v redis-server redis-benchmark").empty())
    WEFT_SKIP_OR_FAIL("redis", "redis-server or redis-benchmark is missing");
  if (!Rules(R"(table ip nat { chain pre {
  type nat hook prerouting priority -100;
  tcp dport 6379 dnat to 10.77.2.2;
}
})"))
    GTEST_SKIP() << "this kernel has no such rules: " << router_.errors();
  for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
    AddProgram(b_, {"redis-server", "--port", "6379", "--protected-mode", "no", "--save", ""});
    // Until the server listens.
    AddProgram(a_, {"sh", "-c",
                    "for i in $(seq 500); do redis-cli -h 10.99.0.1 ping && break; done;"
                    "exec redis-benchmark -h 10.99.0.1 -n 3000 -c 20 -P 4 -t set,get -q"});
    const Joined joined = Trace(peers);
    EXPECT_GE(joined.served, 6000u);
    EXPECT_GE(static_cast<double>(joined.caused), 0.999 * static_cast<double>(joined.served));
  }
}

// a ~~ b
class BadPathTest : public WireTest {
 protected:
  Joined TraceOver(const PathFaults& faults, const TalkOptions& talk,
                   TcpOptionPeers peers = TcpOptionPeers::kAll) {
    const PathEmulator path(a_, kHere, b_, kThere, faults);
    EXPECT_EQ(path.errors(), "");
    // Side by side, because each waits for its retransmissions.
    constexpr int kSideBySide = 5;
    for (int i = 0; i < kSideBySide; i++) {
      TalkOptions part = talk;
      part.port = static_cast<uint16_t>(talk.port + i);
      part.connections /= kSideBySide;
      part.name += static_cast<char>('0' + i);
      AddTalk(a_, b_, part);
    }
    const Joined joined = Trace(peers);
    disturbed_ = path.disturbed();
    return joined;
  }
  Namespace a_{"a"}, b_{"b"};
  uint64_t disturbed_ = 0;
};

constexpr size_t kMany = 1000;
const TalkOptions kManyTalks{.address = "10.77.1.2", .connections = 100, .requests = 10};

TEST_F(BadPathTest, WhereSequenceNumbersAreChangedOnlyTheOptionSurvives) {
  const Joined on = TraceOver({.change_sequences = true}, kManyTalks);
  ExpectJoined(on, kMany);
  EXPECT_EQ(on.with_option, kMany);
  EXPECT_EQ(on.same_wire, 0u);
  EXPECT_EQ(TraceOver({.change_sequences = true}, kManyTalks, TcpOptionPeers::kOff).right, 0u);
}

TEST_F(BadPathTest, LossAndReorderingLeaveEveryRequestItsOption) {
  for (const TcpOptionPeers peers : {TcpOptionPeers::kAll, TcpOptionPeers::kOff}) {
    const PathFaults faults{
        .loss = 0.01, .reorder = 0.05, .change_sequences = peers == TcpOptionPeers::kAll};
    const Joined joined = TraceOver(faults, kManyTalks, peers);
    EXPECT_EQ(joined.requests, kMany);
    // A connection that retransmits twice, which a starved machine causes too, goes on without the
    // option on purpose; here nothing else survives.
    const uint64_t given_up = Metric("kernel.option_given_up");
    EXPECT_LE(given_up, 2u);
    EXPECT_GE(joined.right + given_up * kManyTalks.requests, joined.requests * 999 / 1000);
    EXPECT_GE(disturbed_, 50u);
  }
}

TEST_F(BadPathTest, LargePostsInSmallSegments) {
  const TalkOptions posts{
      .address = "10.77.1.2", .connections = 10, .requests = 4, .body_bytes = 65536};
  const Joined joined = TraceOver({.reorder = 0.05, .change_sequences = true}, posts);
  ExpectJoined(joined, 40);
  EXPECT_EQ(joined.with_option, 40u);
}

TEST_F(BadPathTest, WhereOptionsAreTakenAwayTheSequenceNumbersJoin) {
  const Joined joined = TraceOver({.strip_option = true}, kManyTalks);
  ExpectJoined(joined, kMany);
  EXPECT_EQ(joined.with_option, 0u);
  EXPECT_EQ(Metric("kernel.option_received"), 0u);
  EXPECT_EQ(Metric("kernel.option_acknowledged"), 100u);
}

// The connection goes on without it after the second retransmission; after two such connections
// the peer is spared.
TEST_F(BadPathTest, WhereSegmentsWithTheOptionAreDroppedItIsGivenUp) {
  const Joined joined = TraceOver({.drop_option = true}, kManyTalks);
  ExpectJoined(joined, kMany);
  EXPECT_GE(Metric("kernel.option_given_up"), 2u);
  EXPECT_LE(Metric("kernel.option_connected"), 7u);  // those that were under way by then
}

}  // namespace
}  // namespace weft::test
