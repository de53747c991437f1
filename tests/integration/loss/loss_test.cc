// What programs and small buffers can do to the agent: whatever is lost is counted and marked, and
// nothing else suffers.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/api/plugin_abi.h"
#include "tests/integration/ebpf/programs.h"
#include "tests/integration/loss/agent_under_load.h"
#include "tests/integration/loss/loads.h"
#include "tests/support/loopback.h"

namespace weft::test {
namespace {

constexpr int kExchanges = 2000;

// A server for any number of connections, and a well-behaved client of it, that must not suffer.
class Bystanders {
 public:
  explicit Bystanders(int exchanges = kExchanges)
      : until_(MakePipe()),
        server([this] {
          close(until_.second);
          return AllowDescriptors(20'000) ? ServeMany(listener.fd, until_.first) : 9;
        }),
        client([this, exchanges] { return RequestMany(listener.port, exchanges); }) {
    close(until_.first);
  }
  ~Bystanders() {
    if (until_.second >= 0) close(until_.second);
  }
  Bystanders(const Bystanders&) = delete;
  Bystanders& operator=(const Bystanders&) = delete;

  // Once every client is done.
  void EndServer() {
    close(until_.second);
    until_.second = -1;
    EXPECT_EQ(server.Wait(), 0);
  }

 private:
  static std::pair<int, int> MakePipe() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) std::abort();
    return {fds[0], fds[1]};
  }
  std::pair<int, int> until_;

 public:
  Listener listener;
  TracedProcess server, client;
};

using Loss = AgentUnderLoad;

TEST_P(Loss, OfAFloodOfGarbageReachesNobodyElse) {
  // Its records fit into the ring even if the agent sleeps all the while.
  constexpr uint64_t kFlood = uint64_t{96} << 20;
  Bystanders good;
  const Listener sink;
  TracedProcess swallow([&] { return Swallow(sink.fd); });
  TracedProcess flood([&] { return Flood(sink.port, kFlood); });
  ebpf::EbpfConfig config;
  config.include.pids = {good.server.pid(), good.client.pid(), swallow.pid(), flood.pid()};
  config.include_ports = {good.listener.port, sink.port};
  Trace(config, [&] {
    good.server.Go();
    swallow.Go();
    flood.Go();
    good.client.Go();
    EXPECT_EQ(good.client.Wait(), 0);
    EXPECT_EQ(flood.Wait(), 0);
    EXPECT_EQ(swallow.Wait(), 0);
    good.EndServer();
  });
  ExpectBothEnds(good.server.pid(), good.client.pid(), kExchanges);
  EXPECT_GT(Metric("agent.unrecognised_records"), 0u);
  ExpectNothingLost();
}

TEST_P(Loss, OfAnAnswerOfAGigabyteIsNone) {
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  const Listener listener;
  TracedProcess server([&] { return ServeLarge(listener.fd, kBytes); });
  TracedProcess client([&] { return RequestLarge(listener.port, kBytes); });
  ebpf::EbpfConfig config;
  config.include_ports = {listener.port};
  Trace(config, [&] {
    server.Go();
    client.Go();
    EXPECT_EQ(client.Wait(), 0);
    EXPECT_EQ(server.Wait(), 0);
  });
  for (const auto& [pid, kind] :
       {std::pair{server.pid(), WEFT_KIND_SERVER}, std::pair{client.pid(), WEFT_KIND_CLIENT}}) {
    const auto& rows = Rows(pid, static_cast<uint8_t>(kind));
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_GT(rows[0].response_bytes, kBytes);
    EXPECT_LT(rows[0].response_bytes, kBytes + 100);
    EXPECT_EQ(rows[0].flags & WEFT_FLAG_INCOMPLETE, 0u);
    EXPECT_EQ(Whole(pid, static_cast<uint8_t>(kind)), 1u);
  }
  ExpectNothingLost();
}

// As fast as the agent can follow: on a machine whose processors are busy with other things it may
// not run for seconds, and what happens then is the matter of the tiny ring below.
TEST_P(Loss, OfAHundredThousandShortConnectionsIsNone) {
  constexpr int kConnections = 50'000;  // each by two clients
  constexpr int kRecords = 4;           // of a connection, both ends
  constexpr int kAhead = 4 * kConnectionsPerPermit * kRecords;
  Bystanders good;
  int permits[2];
  ASSERT_EQ(pipe(permits), 0);
  const auto body = [&] { return RequestShort(good.listener.port, kConnections, permits[0]); };
  TracedProcess first(body), second(body);
  ebpf::EbpfConfig config;
  config.include_ports = {good.listener.port};
  Trace(config, [&] {
    good.server.Go();
    first.Go();
    second.Go();
    for (int i = 0; i < 2 * kConnections / kConnectionsPerPermit; i++) {
      const int64_t allowed = int64_t{i} * kConnectionsPerPermit * kRecords;
      while (static_cast<int64_t>(Metric("agent.received")) + kAhead < allowed)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_EQ(write(permits[1], "p", 1), 1);
    }
    EXPECT_EQ(first.Wait(), 0);
    EXPECT_EQ(second.Wait(), 0);
    good.client.Go();
    EXPECT_EQ(good.client.Wait(), 0);
    good.EndServer();
  });
  EXPECT_EQ(Whole(first.pid(), WEFT_KIND_CLIENT), size_t{kConnections});
  EXPECT_EQ(Whole(second.pid(), WEFT_KIND_CLIENT), size_t{kConnections});
  EXPECT_EQ(Whole(good.client.pid(), WEFT_KIND_CLIENT), size_t{kExchanges});
  EXPECT_EQ(Whole(good.server.pid(), WEFT_KIND_SERVER), size_t{kExchanges + 2 * kConnections});
  ExpectNothingLost();
  for (const int fd : permits) close(fd);
}

TEST_P(Loss, OfTenThousandConnectionsAtOnceIsNone) {
  constexpr int kConnections = 10'000;
  Bystanders good;
  TracedProcess crowd([&] { return RequestAtOnce(good.listener.port, kConnections); });
  ebpf::EbpfConfig config;
  config.include_ports = {good.listener.port};
  Trace(config, [&] {
    good.server.Go();
    crowd.Go();
    good.client.Go();
    EXPECT_EQ(good.client.Wait(), 0);
    EXPECT_EQ(crowd.Wait(), 0);
    good.EndServer();
  });
  EXPECT_EQ(Whole(good.client.pid(), WEFT_KIND_CLIENT), size_t{kExchanges});
  EXPECT_EQ(Whole(crowd.pid(), WEFT_KIND_CLIENT), size_t{kConnections});
  EXPECT_EQ(Whole(good.server.pid(), WEFT_KIND_SERVER), size_t{kExchanges + kConnections});
  ExpectNothingLost();
}

TEST_P(Loss, OfAProcessInTheMiddleOfARequestIsMarked) {
  Bystanders good;
  const Listener silent;  // accepts in the kernel, and nobody ever answers
  TracedProcess victim([&] { return RequestMany(silent.port, 1); });
  const uint32_t pid = victim.pid();
  ebpf::EbpfConfig config;
  config.include_ports = {good.listener.port, silent.port};
  Trace(config, [&] {
    victim.Go();
    while (Metric("agent.decoded") == 0) std::this_thread::yield();
    kill(static_cast<pid_t>(pid), SIGKILL);
    EXPECT_EQ(victim.Wait(), 128 + SIGKILL);
    good.server.Go();
    good.client.Go();
    EXPECT_EQ(good.client.Wait(), 0);
    good.EndServer();
  });
  ASSERT_EQ(Rows(pid, WEFT_KIND_CLIENT).size(), 1u);
  EXPECT_NE(Rows(pid, WEFT_KIND_CLIENT)[0].flags & WEFT_FLAG_INCOMPLETE, 0u);
  ExpectBothEnds(good.server.pid(), good.client.pid(), kExchanges);
  ExpectNothingLost();
}

// As a store or broker would be: each observation that is sent to it would make two more.
TEST_P(Loss, ByWatchingItsOwnConnectionsCannotCome) {
  Bystanders store;
  store.server.Go();
  const int before = ConnectTo(store.listener.port);
  ebpf::EbpfConfig config;
  config.include_ports = {store.listener.port};
  Trace(config, [&] {
    const int after = ConnectTo(store.listener.port);
    for (int i = 0; i < 100; i++) {
      EXPECT_TRUE(ExchangeHere(before, i));
      EXPECT_TRUE(ExchangeHere(after, i));
    }
    close(after);
    store.client.Go();
    EXPECT_EQ(store.client.Wait(), 0);
    close(before);
    store.EndServer();
  });
  // Who else talks to it is seen.
  ExpectBothEnds(store.server.pid(), store.client.pid(), kExchanges);
  EXPECT_TRUE(Rows(static_cast<uint32_t>(getpid()), WEFT_KIND_CLIENT).empty());
  EXPECT_GE(Metric("kernel.filtered"), 800u);
}

// The ring holds a few dozen records, so many are lost. What is shown as whole is whole.
TEST_P(Loss, InATinyRingIsCountedAndMarked) {
  Bystanders good(20'000);
  TracedProcess other([&] { return RequestMany(good.listener.port, 20'000); });
  ebpf::EbpfConfig config;
  config.include_ports = {good.listener.port};
  config.data_ring_bytes = 8192;
  Trace(config, [&] {
    good.server.Go();
    good.client.Go();
    other.Go();
    EXPECT_EQ(good.client.Wait(), 0);
    EXPECT_EQ(other.Wait(), 0);
    good.EndServer();
  });
  EXPECT_GT(Metric("kernel.ring_full"), 0u);
  EXPECT_GT(Metric("agent.gap_bytes"), 0u);
  for (const auto& [pid, kind] :
       {std::pair{good.server.pid(), WEFT_KIND_SERVER},
        std::pair{good.client.pid(), WEFT_KIND_CLIENT}, std::pair{other.pid(), WEFT_KIND_CLIENT}}) {
    size_t unmarked = 0;
    for (const Observed& row : Rows(pid, static_cast<uint8_t>(kind)))
      unmarked += (row.flags & WEFT_FLAG_INCOMPLETE) == 0;
    EXPECT_GT(unmarked, 0u) << "nothing was recovered";
    EXPECT_EQ(unmarked, Whole(pid, static_cast<uint8_t>(kind)));
  }
}

INSTANTIATE_TEST_SUITE_P(Hooks, Loss, testing::Values(ebpf::Hooks::kSocket, ebpf::Hooks::kSyscalls),
                         [](const auto& hooks) {
                           return std::string(hooks.param == ebpf::Hooks::kSocket ? "SocketLayer"
                                                                                  : "SystemCalls");
                         });

}  // namespace
}  // namespace weft::test
