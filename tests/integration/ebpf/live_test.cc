// Traces live programs with the real kernel programs and compares with what they did.

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/ebpf/live_fixture.h"
#include "tests/integration/ebpf/programs.h"
#include "tests/support/requirement.h"

namespace weft::ebpf {
namespace {

constexpr int kRequests = 500;

TEST_P(EbpfLiveTest, SeesEveryHttpExchangeAtBothEnds) {
  const test::Listener listener;
  test::TracedProcess server([&] { return test::ServeHttp(listener.fd, kRequests); });
  test::TracedProcess client([&] { return test::RequestHttp(listener.port, kRequests); });
  EbpfConfig config;
  config.include.pids = {server.pid(), client.pid()};
  Trace(config, [&] {
    server.Go();
    client.Go();
    EXPECT_EQ(client.Wait(), 0);
    EXPECT_EQ(server.Wait(), 0);
  });
  ExpectBothEnds(server.pid(), client.pid(), kRequests);
}

// The choice that a running agent is given reaches the kernel, also where it began with none.
TEST_P(EbpfLiveTest, LeavesOutInTheKernelWhatIsExcludedLater) {
  const test::Listener listener;
  const test::Gate gate;
  constexpr int kLater = 20 * kRequests;
  test::TracedProcess server([&] { return test::ServeHttp(listener.fd, kRequests + kLater); });
  test::TracedProcess client(
      [&] { return test::RequestHttp(listener.port, kRequests, &gate, kLater); });
  EbpfConfig config;
  config.include_ports = {listener.port};
  config.hooks = GetParam();
  auto source = EbpfSource::Start(config, transport_, clock_, metrics_, *logger_);
  ASSERT_TRUE(source.has_value()) << source.error().message;
  server.Go();
  client.Go();
  gate.WaitReached();
  ProcessSelector excluded;
  excluded.pids = {client.pid()};
  (*source)->Select({}, excluded);
  gate.Open();
  EXPECT_EQ(client.Wait(), 0);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_TRUE((*source)->Stop().has_value());
  // Some come into the rings before the agent has met the process and excluded it.
  EXPECT_GT(Metric("agent.filtered"), 0u);
  EXPECT_LT(Metric("agent.filtered"), kLater);  // of two records a request
  EXPECT_EQ(Metric("agent.received"), Metric("agent.records") + Metric("agent.filtered"));
}

class EbpfRedisTest : public EbpfLiveTest {
 protected:
  void SetUp() override {
    EbpfLiveTest::SetUp();
    if (!HasFatalFailure() && !IsSkipped() && redis_.port() == 0)
      WEFT_SKIP_OR_FAIL("redis", "redis-server does not start");
  }

  void TraceGets(int requests, int pipelined) {
    test::TracedProcess client(
        [&] { return test::RequestRedis(redis_.port(), requests, pipelined); });
    EbpfConfig config;
    config.include.pids = {redis_.pid(), client.pid()};
    Trace(config, [&] {
      client.Go();
      EXPECT_EQ(client.Wait(), 0);
    });
    ExpectBothEnds(redis_.pid(), client.pid(), static_cast<size_t>(requests));
  }

  test::RedisServer redis_;
};

TEST_P(EbpfRedisTest, SeesEveryCommandAtBothEnds) { TraceGets(kRequests, 1); }

TEST_P(EbpfRedisTest, SeesEveryPipelinedCommandAtBothEnds) { TraceGets(1 + 70 * 7, 7); }

TEST_P(EbpfLiveTest, JoinsConnectionsThatWereThereBefore) {
  const test::Listener listener;
  constexpr int kBefore = 3;
  const test::Gate gate;
  test::TracedProcess server([&] { return test::ServeHttp(listener.fd, kBefore + kRequests); });
  test::TracedProcess client(
      [&] { return test::RequestHttp(listener.port, kBefore, &gate, kRequests); });
  server.Go();
  client.Go();
  gate.WaitReached();
  EbpfConfig config;
  config.include.pids = {server.pid(), client.pid()};
  Trace(config, [&] {
    gate.Open();
    EXPECT_EQ(client.Wait(), 0);
    EXPECT_EQ(server.Wait(), 0);
  });
  ExpectBothEnds(server.pid(), client.pid(), kRequests, 0);
}

TEST_P(EbpfLiveTest, SeesBothEndsOfUnixSocketsWhoseAddressesAreUsedAgain) {
  const test::UnixListener listener;
  constexpr int kConnections = 50, kEach = 4;
  test::TracedProcess server([&] {
    int code = 0;
    for (int i = 0; i < kConnections && code == 0; i++) code = test::ServeHttp(listener.fd, kEach);
    return code;
  });
  test::TracedProcess client([&] {
    int code = 0;
    for (int i = 0; i < kConnections && code == 0; i++)
      code = test::RequestHttp(listener.name, kEach);
    return code;
  });
  EbpfConfig config;
  config.include.pids = {server.pid(), client.pid()};
  Trace(config, [&] {
    server.Go();
    client.Go();
    EXPECT_EQ(client.Wait(), 0);
    EXPECT_EQ(server.Wait(), 0);
  });
  ExpectBothEnds(server.pid(), client.pid(), kConnections * kEach, 0);
  EXPECT_GE(Metric("kernel.control_seen"), 2u * kConnections);
}

TEST_P(EbpfLiveTest, LeavesExcludedPortsAlone) {
  const test::Listener listener;
  test::TracedProcess server([&] { return test::ServeHttp(listener.fd, 3); });
  test::TracedProcess client([&] { return test::RequestHttp(listener.port, 3); });
  EbpfConfig config;
  config.include.pids = {server.pid(), client.pid()};
  config.exclude_ports = {listener.port};
  Trace(config, [&] {
    server.Go();
    client.Go();
    EXPECT_EQ(client.Wait(), 0);
  });
  EXPECT_EQ(rows_, 0u);
  EXPECT_GE(Metric("kernel.filtered"), 12u);
}

TEST_P(EbpfLiveTest, LeavesBothEndsOfItsOwnConnectionsAlone) {
  const test::Listener listener;
  test::TracedProcess server([&] { return test::ServeHttp(listener.fd, 3); });
  EbpfConfig config;
  config.include.pids = {server.pid()};
  Trace(config, [&] {
    server.Go();
    EXPECT_EQ(test::RequestHttp(listener.port, 3), 0);
    EXPECT_EQ(server.Wait(), 0);
  });
  EXPECT_EQ(rows_, 0u);
  EXPECT_GE(Metric("kernel.filtered"), 12u);
}

TEST_P(EbpfLiveTest, EndsARequestThatIsOpenWhenTheAgentStops) {
  const test::Listener listener;
  test::TracedProcess client([&] { return test::RequestHttp(listener.port, 1); });
  const uint32_t client_pid = client.pid();
  EbpfConfig config;
  config.include.pids = {client_pid};
  Trace(config, [&] {
    client.Go();
    while (Metric("agent.decoded") == 0) std::this_thread::yield();
  });
  const auto& rows = seen_[{client_pid, WEFT_KIND_CLIENT}];
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_OPEN_AT_EXIT);
}

INSTANTIATE_TEST_SUITE_P(Hooks, EbpfLiveTest, testing::Values(Hooks::kSocket, Hooks::kSyscalls),
                         HooksName);
INSTANTIATE_TEST_SUITE_P(Hooks, EbpfRedisTest, testing::Values(Hooks::kSocket, Hooks::kSyscalls),
                         HooksName);

TEST(EbpfSource, RefusesImpossibleSettingsAndNamesThem) {
  SystemClock clock;
  Metrics metrics;
  const auto logger = NullLogger();
  transport::MemoryTransport transport({.partitions = 1}, clock, metrics);
  const auto message_of = [&](const EbpfConfig& config) {
    const auto source = EbpfSource::Start(config, transport, clock, metrics, *logger);
    return source.has_value() ? std::string() : source.error().message;
  };
  EbpfConfig config;
  config.capture_bytes = 5000;
  EXPECT_NE(message_of(config).find("capture_bytes"), std::string::npos);
  config = {};
  config.data_ring_bytes = 1000;
  EXPECT_NE(message_of(config).find("ring size"), std::string::npos);
  config = {};
  config.include_ports = {1};
  config.exclude_ports = {2};
  EXPECT_NE(message_of(config).find("include_ports"), std::string::npos);
  config = {};
  config.trusted_networks = {"10.0.0.0/99"};
  EXPECT_NE(message_of(config).find("10.0.0.0/99"), std::string::npos);
}

}  // namespace
}  // namespace weft::ebpf
