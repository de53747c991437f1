// How streams begin and end: data in the SYN, data with the FIN, and what looks like data of the
// stream and is not.

#include <string_view>

#include <gtest/gtest.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/integration/sockets/socket_fixture.h"

namespace weft::test {
namespace {

class StreamEnds : public SocketFixture {
 protected:
  void ShutDown(Actor& actor, int fd) {
    actor_command command = Move(CALL_WRITE, fd, 0, 0, 0);
    command.operation = ACTOR_SHUTDOWN;
    command.flags = SHUT_WR;
    actor.Must(command);
  }
};

// A FIN takes a sequence number, and whether a read took it depends on who was first.
TEST_P(StreamEnds, WithDataInTheSameSegmentAreWhereTheyAre) {
  Trace();
  Link link = Connect();
  Send(link, 300);
  ShutDown(client_, link.client_fd);
  server_.WaitFor(link.server_fd, POLLRDHUP);
  ServerReads(link, 100);
  ServerReads(link, 200);
  Answer(link, 70);
  ShutDown(server_, link.server_fd);
  client_.WaitFor(link.client_fd, POLLRDHUP);
  ClientReads(link, 30);
  ClientReads(link, 40);
  ExpectAsLogged(link);
  for (const uint64_t cookie : {ServerCookie(link), ClientCookie(link)}) {
    const auto received = Select(Captured(), cookie, WEFT_RECORD_RECEIVE);
    ASSERT_EQ(received.size(), 2u);
    EXPECT_EQ(received[0].data.flags & WEFT_DATA_FIN_READ, 0);
    EXPECT_EQ(received[1].data.flags & WEFT_DATA_FIN_READ, WEFT_DATA_FIN_READ);
  }
  ExpectLedger();
}

TEST_P(StreamEnds, AfterAResetAreWhereTheyAre) {
  Trace();
  Link link = Connect();
  Send(link, 300);
  Answer(link, 50);
  ClientReads(link, 20);
  server_.Option(link.server_fd, SOL_SOCKET, SO_LINGER, 0);
  server_.Close(link.server_fd);
  client_.WaitFor(link.client_fd, POLLHUP);
  // What had come before the reset may still be read.
  ClientReads(link, 30);
  ExpectAsLogged(link);
  ExpectLedger();
}

// The error queue gives back what was sent.
TEST_P(StreamEnds, DoNotMoveByTheErrorQueue) {
  Trace();
  Link link = Connect();
  client_.Option(link.client_fd, SOL_SOCKET, SO_TIMESTAMPING,
                 SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
  Send(link, 100);
  client_.WaitFor(link.client_fd, 0);
  actor_command queue = Move(CALL_RECVMSG, link.client_fd, 4096, 0, 0);
  queue.flags = MSG_ERRQUEUE;
  EXPECT_GT(client_.Must(queue), 0);
  ServerReads(link, 100);
  Answer(link, 20);
  ClientReads(link, 20);
  ExpectAsLogged(link);
  ExpectLedger();
}

// The request is in the SYN, so it was sent before there was a connection.
TEST_P(StreamEnds, BeginInTheSynWithFastOpen) {
  actor_command network = Move(CALL_WRITE, -1, 0, 0, 0);
  network.operation = ACTOR_NETWORK;
  client_.Must(network);
  listening_ = client_.Listen(kIpv4, 0, true);
  client_.Fork(1);
  TraceListening();
  Link link;
  link.client_fd = client_.Socket(kIpv4);
  actor_command open = Move(CALL_FAST_OPEN, link.client_fd, 300, 1, 0);
  open.family = AF_INET;
  open.port = listening_.port;
  const actor_reply opened = client_.Do(open);
  ASSERT_EQ(opened.result, 300);
  link.to_server.Add(opened, link.client_fd);
  link.server_fd = client_.Accept(listening_.fd, 1);
  const actor_reply got = client_.Do(Move(CALL_READ, link.server_fd, 4096, 1, 0), 1);
  ASSERT_EQ(got.result, 300);
  link.at_server.Add(got, link.server_fd);
  Send(link, 100);
  const actor_reply more = client_.Do(Move(CALL_READ, link.server_fd, 4096, 1, 300), 1);
  ASSERT_EQ(more.result, 100);
  link.at_server.Add(more, link.server_fd);
  for (const CapturedRecord& record : Captured()) {
    const weft_connection& c = record.connection;
    if (c.remote_port == listening_.port) link.client_port = c.local_port;
  }
  link.server_port = listening_.port;
  ExpectAsLogged(link);
  ExpectLedger();
}

// The kernel gives no memory for the connection's state.
TEST_P(StreamEnds, WithoutMemoryForTheirStateAreCounted) {
  if (GetParam().name != "SocketLayer") GTEST_SKIP() << "its table has room for 262144 sockets";
  actor_command network = Move(CALL_WRITE, -1, 0, 0, 0);
  network.operation = ACTOR_NETWORK;
  network.text_bytes = static_cast<uint32_t>(std::string_view("64").copy(network.text, 8));
  if (client_.Do(network).result != 0) GTEST_SKIP() << "optmem_max is not a namespace's here";
  listening_ = client_.Listen(kIpv4);
  client_.Fork(1);
  TraceListening();
  const auto before = capture_->Counts();
  Link link;
  link.client_fd = client_.Socket(kIpv4);
  client_.Connect(link.client_fd, kIpv4, listening_);
  link.server_fd = client_.Accept(listening_.fd, 1);
  constexpr uint64_t kCalls = 20;
  for (uint64_t i = 0; i < kCalls; i++) {
    Send(link, 100);
    EXPECT_EQ(client_.Must(Move(CALL_READ, link.server_fd, 4096, 1, i * 100), 1), 100);
  }
  EXPECT_TRUE(Captured().empty());
  ExpectLedger();
  const auto after = capture_->Counts();
  ASSERT_TRUE(before.has_value() && after.has_value());
  EXPECT_EQ(after->stats.map_full - before->stats.map_full, 2 * kCalls);
}

INSTANTIATE_TEST_SUITE_P(Families, StreamEnds, testing::ValuesIn(HookFamilies()), FamilyName);

}  // namespace
}  // namespace weft::test
