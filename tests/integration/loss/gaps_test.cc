// Calls whose bytes cannot be seen leave a gap in the stream. It is counted, what it touches is
// marked, and the exchanges behind it on the same connection are whole.

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include "engine/api/plugin_abi.h"
#include "tests/integration/loss/agent_under_load.h"
#include "tests/integration/loss/loads.h"
#include "tests/integration/sockets/actor.h"

namespace weft::test {
namespace {

constexpr std::string_view kRequest = "GET /items/00000001 HTTP/1.1\r\nHost: shop-of-it\r\n\r\n";
constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
static_assert(kRequest.size() == kRequestBytes && kAnswer.size() == kAnswerBytes);

// How one end sends or receives the answer.
struct Way {
  std::string name;
  actor_call send, receive;
  bool whole_answer = true;  // else only the body goes by `send`
  uint32_t flags = 0;        // of the receive
};

const std::vector<Way> kWays = {
    {"sendfile of the body", CALL_SENDFILE, CALL_READ, false},
    {"sendfile", CALL_SENDFILE, CALL_READ},
    {"splice to", CALL_SPLICE_TO, CALL_READ},
    {"io_uring send", CALL_URING_SEND, CALL_READ},
    {"MSG_ZEROCOPY", CALL_ZEROCOPY_SEND, CALL_READ},
    {"splice from", CALL_WRITE, CALL_SPLICE_FROM},
    {"io_uring recv", CALL_WRITE, CALL_URING_RECV},
    {"recvmmsg", CALL_WRITE, CALL_RECVMMSG},
    {"MSG_TRUNC", CALL_WRITE, CALL_RECVFROM, true, MSG_TRUNC},
    {"zero-copy receive", CALL_WRITE, CALL_ZEROCOPY_RECEIVE},
};

class Gaps : public AgentUnderLoad {
 protected:
  static actor_command Text(actor_call call, int fd, std::string_view text) {
    actor_command command = Move(call, fd, static_cast<uint32_t>(text.size()), 0, 0);
    command.text_bytes = static_cast<uint32_t>(text.copy(command.text, sizeof command.text));
    return command;
  }
  void Read(Actor& actor, int fd, std::string_view text, actor_call call, uint32_t flags) {
    for (size_t left = text.size(); left != 0;) {
      actor.WaitFor(fd, POLLIN);
      actor_command command = Text(call, fd, text);
      command.length = 4096;
      command.flags = flags;
      const int64_t n = actor.Must(command);
      if (n <= 0) return;
      left -= static_cast<size_t>(n);
    }
  }
  void Exchange(int client_fd, int server_fd, const Way& way) {
    client_.Must(Text(CALL_WRITE, client_fd, kRequest));
    Read(server_, server_fd, kRequest, CALL_READ, 0);
    const size_t head = way.whole_answer ? 0 : kAnswer.find("hello");
    if (head != 0) server_.Must(Text(CALL_WRITE, server_fd, kAnswer.substr(0, head)));
    server_.Must(Text(way.send, server_fd, kAnswer.substr(head)));
    Read(client_, client_fd, kAnswer, way.receive, way.flags);
  }

  Actor client_, server_;
};

TEST_P(Gaps, AreCountedAndTheNextExchangesAreWhole) {
  const SocketKind kind{"IPv4", AF_INET};
  const Way plain{"plain", CALL_WRITE, CALL_READ};
  const Actor::Listening listening = server_.Listen(kind);
  ebpf::EbpfConfig config;
  config.include_ports = {listening.port};
  Trace(config, [&] {
    for (const Way& way : kWays) {
      SCOPED_TRACE(way.name);
      const int client_fd = client_.Socket(kind);
      client_.Connect(client_fd, kind, listening);
      const int server_fd = server_.Accept(listening.fd);
      if (way.send == CALL_ZEROCOPY_SEND) server_.Option(server_fd, SOL_SOCKET, SO_ZEROCOPY, 1);
      Exchange(client_fd, server_fd, plain);
      Exchange(client_fd, server_fd, way);
      Exchange(client_fd, server_fd, plain);
      Exchange(client_fd, server_fd, plain);
      client_.Close(client_fd);
      server_.Close(server_fd);
    }
    // Nothing comes behind the gap: only the connection's end shows it.
    const int client_fd = client_.Socket(kind);
    client_.Connect(client_fd, kind, listening);
    const int server_fd = server_.Accept(listening.fd);
    Exchange(client_fd, server_fd, plain);
    Exchange(client_fd, server_fd, kWays.back());
    client_.Close(client_fd);
    server_.Close(server_fd);
  });
  // The first and the last two of each connection, and nothing that is not as it was.
  for (const auto& [pid, kind_of] :
       {std::pair{server_.pid(), WEFT_KIND_SERVER}, std::pair{client_.pid(), WEFT_KIND_CLIENT}}) {
    const auto& rows = Rows(pid, static_cast<uint8_t>(kind_of));
    size_t unmarked = 0;
    for (const Observed& row : rows) unmarked += (row.flags & WEFT_FLAG_INCOMPLETE) == 0;
    fmt::print("  {} exchanges at {}, {} not marked\n", rows.size(),
               kind_of == WEFT_KIND_SERVER ? "the server" : "the client", unmarked);
    EXPECT_GE(Whole(pid, static_cast<uint8_t>(kind_of)), 3 * kWays.size());
    EXPECT_EQ(Whole(pid, static_cast<uint8_t>(kind_of)), unmarked);
    EXPECT_LE(rows.size(), 4 * kWays.size() + 2);
  }
  // By the table: splice from and twice zero-copy receive, or io_uring both ways and the same.
  const uint64_t holes = GetParam() == ebpf::Hooks::kSocket ? 3 : 4;
  EXPECT_EQ(Metric("agent.gap_bytes"), holes * kAnswerBytes);
  EXPECT_GT(Metric("agent.contentless_bytes"), 0u);
  // Unix streams have no positions that would show a hole: there only this number tells.
  if (GetParam() == ebpf::Hooks::kSyscalls) {
    EXPECT_GE(Metric("kernel.uring_calls"), 4u);
  }
}

INSTANTIATE_TEST_SUITE_P(Hooks, Gaps, testing::Values(ebpf::Hooks::kSocket, ebpf::Hooks::kSyscalls),
                         [](const auto& hooks) {
                           return std::string(hooks.param == ebpf::Hooks::kSocket ? "SocketLayer"
                                                                                  : "SystemCalls");
                         });

}  // namespace
}  // namespace weft::test
