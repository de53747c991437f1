// Connections that no parser understands: tcp spans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/api/ids.h"
#include "tests/unit/sources/ebpf/tracker_fixture.h"

namespace weft::ebpf {
namespace {

using testing::Contains;

const std::string kHello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 secret", 18);
const std::string kServerHello("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11);

class TcpSpanTest : public ExchangeTrackerTest {
 protected:
  TcpSpanTest() {
    server_.wire.end = WEFT_END_ACCEPTED;
    client_.wire.end = WEFT_END_CONNECTED;
  }
  // A request of `client` and its answer, seen at both ends.
  void Turn(int64_t at) {
    Feed(client_.Send(kHello, at));
    Feed(server_.Receive(kHello, at + kMillisecond));
    Feed(server_.Send(kServerHello, at + 2 * kMillisecond));
    Feed(client_.Receive(kServerHello, at + 3 * kMillisecond));
  }
};

TEST_F(TcpSpanTest, BecomeTwoSpansOfOneWireIdWhenTheServerHasSpokenAndItIsQuiet) {
  Turn(kStart);
  tracker_.Sweep(kStart + 100 * kMillisecond);
  EXPECT_TRUE(Rows().empty());
  tracker_.Sweep(kStart + 300 * kMillisecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].kind, WEFT_KIND_CLIENT);
  EXPECT_EQ(rows[1].kind, WEFT_KIND_SERVER);
  for (const Row& row : rows) {
    EXPECT_EQ(row.protocol, WEFT_PROTOCOL_TCP);
    EXPECT_EQ(row.operation, "tcp");
    EXPECT_EQ(row.request_bytes, kHello.size());
    EXPECT_EQ(row.response_bytes, kServerHello.size());
    EXPECT_THAT(row.attributes, Contains("weft.protocol_guess=tls"));
    EXPECT_THAT(row.attributes, testing::Not(Contains(testing::HasSubstr("secret"))));
    EXPECT_EQ(row.flags & WEFT_FLAG_PROVISIONAL, 0u);
  }
  EXPECT_EQ(rows[0].end_ns, kStart + 3 * kMillisecond);
  EXPECT_EQ(rows[0].peer, "10.0.0.2:8080");
  EXPECT_NE(rows[0].wire_id, 0u);
  EXPECT_EQ(rows[0].wire_id, rows[1].wire_id);
  EXPECT_EQ(metrics_.Get("agent.tcp_spans").Get(), 2u);
  EXPECT_EQ(metrics_.Get("agent.tcp_connections{guess=tls}").Get(), 2u);
}

TEST_F(TcpSpanTest, HaveOneSpanPerBurst) {
  Turn(kStart);
  tracker_.Sweep(kStart + kSecond);
  Turn(kStart + kSecond);
  tracker_.Sweep(kStart + 2 * kSecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_NE(rows[0].wire_id, rows[2].wire_id);
  EXPECT_EQ(rows[2].wire_id, rows[3].wire_id);
  EXPECT_NE(rows[0].exchange, rows[2].exchange);
}

TEST_F(TcpSpanTest, WaitForASlowAnswerAndAreAnnouncedMeanwhile) {
  Feed(client_.Send(kHello, kStart));
  EXPECT_EQ(tracker_.Watermark(kStart + 500 * kMillisecond), kStart);
  tracker_.Sweep(kStart + kSecond);
  EXPECT_EQ(tracker_.Watermark(kStart + kSecond), kStart + kSecond);
  tracker_.Sweep(kStart + 4 * kSecond);
  Feed(client_.Receive(kServerHello, kStart + 5 * kSecond));
  tracker_.Sweep(kStart + 6 * kSecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_OPEN);
  EXPECT_EQ(rows[0].exchange, rows[1].exchange);
  EXPECT_EQ(rows[0].span_id, rows[1].span_id);
  EXPECT_EQ(rows[1].end_ns, kStart + 5 * kSecond);
}

TEST_F(TcpSpanTest, AreCutIntoSlicesThatBothEndsNumberAlike) {
  for (int64_t at = 0; at < 25 * kSecond; at += 100 * kMillisecond) {
    Turn(kStart + at);
    tracker_.Sweep(kStart + at + 50 * kMillisecond);
  }
  Close(client_, kStart + 25 * kSecond);
  Close(server_, kStart + 25 * kSecond);
  tracker_.Sweep(kStart + 25 * kSecond);
  std::vector<uint64_t> wire_ids;
  uint64_t bytes = 0;
  for (const Row& row : Rows()) {
    if (row.flags & WEFT_FLAG_OPEN) continue;
    wire_ids.push_back(row.wire_id);
    bytes += row.request_bytes;
  }
  EXPECT_EQ(bytes, 2 * 250 * kHello.size());
  ASSERT_EQ(wire_ids.size(), 6u);
  std::ranges::sort(wire_ids);
  EXPECT_EQ(std::ranges::unique(wire_ids).size(), 3u);
}

TEST_F(TcpSpanTest, EndWithTheirConnection) {
  Feed(client_.Send(kHello, kStart));
  Close(client_, kStart + kMillisecond);
  tracker_.Sweep(kStart + 2 * kMillisecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].response_bytes, 0u);
}

TEST_F(TcpSpanTest, FollowAnUpgrade) {
  Feed(server_.Receive("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", kStart));
  Feed(server_.Send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", kStart + 1));
  Feed(server_.Receive("\x81\x85....hello", kStart + kSecond));
  Feed(server_.Send("\x81\x05hello", kStart + kSecond + 1));
  tracker_.Sweep(kStart + 2 * kSecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].protocol, WEFT_PROTOCOL_HTTP1);
  EXPECT_EQ(rows[1].protocol, WEFT_PROTOCOL_TCP);
  EXPECT_EQ(rows[1].start_ns, kStart + kSecond);
}

TEST_F(TcpSpanTest, AreNotMadeOfWhatIsUnderstoodLater) {
  Feed(client_.Send("PING\r\n", kStart));  // Redis, or not: the answer will tell
  tracker_.Sweep(kStart + 5 * kSecond);
  Feed(client_.Receive("+PONG\r\n", kStart + 6 * kSecond));
  tracker_.Sweep(kStart + 7 * kSecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].protocol, WEFT_PROTOCOL_REDIS);
}

TEST_F(TcpSpanTest, OfConnectionsOlderThanTheAgentMeetByTheirAddresses) {
  client_.wire.opened_ns = server_.wire.opened_ns = 0;
  client_.wire.end = server_.wire.end = WEFT_END_UNSEEN;
  inet_pton(AF_INET, "10.0.0.2", server_.wire.local_address);
  inet_pton(AF_INET, "10.0.0.1", server_.wire.remote_address);
  Feed(client_.Send(kHello, kStart));
  // One record of the server's was lost.
  (void)server_.Receive(kHello, kStart + 1);
  Feed(server_.Send(kServerHello, kStart + 2));
  Feed(client_.Receive(kServerHello, kStart + 3));
  tracker_.Sweep(kStart + kSecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].kind, WEFT_KIND_CLIENT);
  EXPECT_EQ(rows[1].kind, WEFT_KIND_SERVER);
  EXPECT_EQ(rows[0].wire_id, rows[1].wire_id);
}

// A path is the address of both ends, and of all connections to it.
TEST_F(TcpSpanTest, OfUnixSocketsMeetPerConnectionAndNotByTheirPath) {
  MadeSocket other_client(13, 0, 0, 7001, 5001), other_server(14, 0, 0, 5001, 7001);
  for (MadeSocket* socket : {&client_, &server_, &other_client, &other_server}) {
    const bool serves = socket == &server_ || socket == &other_server;
    weft_connection wire{};
    wire.cookie = socket->wire.cookie;
    wire.local_address[0] = '/';
    wire.family = WEFT_FAMILY_UNIX;
    wire.end = serves ? WEFT_END_ACCEPTED : WEFT_END_CONNECTED;
    socket->wire = wire;
  }
  Turn(kStart);
  Feed(other_client.Send(kHello, kStart + 5));
  Feed(other_server.Receive(kHello, kStart + 6));
  tracker_.Sweep(kStart + 11 * kSecond);
  EXPECT_TRUE(tracker_.addresses().empty()) << "a path is no address of the host";
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 4u);
  std::vector<uint64_t> wire_ids, span_ids;
  for (const Row& row : rows) {
    wire_ids.push_back(row.wire_id);
    span_ids.push_back(row.span_id);
    EXPECT_THAT(row.attributes, Contains("network.transport=unix"));
  }
  std::ranges::sort(wire_ids);
  std::ranges::sort(span_ids);
  EXPECT_EQ(std::ranges::unique(span_ids).size(), 0u);
  EXPECT_EQ(std::ranges::unique(wire_ids).size(), 2u);
}

TEST_F(TcpSpanTest, AreLimitedASecondAndCounted) {
  ExchangeTracker tracker({.boot_id = 2, .max_tcp_rows = 3}, protocols_, writer_, metrics_);
  for (uint64_t i = 0; i < 10; ++i) {
    MadeSocket socket(100 + i, static_cast<uint16_t>(50000 + i), 443, 1, 1);
    const MadeRecord made = socket.Send(kHello, kStart);
    tracker.OnData(made.data, &made.connection, made.payload);
  }
  tracker.Sweep(kStart + kSecond);
  tracker.Sweep(kStart + kSecond + 1);
  EXPECT_EQ(metrics_.Get("agent.tcp_limited").Get(), 7u);
  EXPECT_EQ(tracker.Watermark(kStart + 2 * kSecond), kStart + 2 * kSecond);
  tracker.Finish(kStart + 3 * kSecond);
  EXPECT_EQ(metrics_.Get("agent.tcp_spans").Get(), 3u);
}

TEST_F(TcpSpanTest, CanBeSwitchedOff) {
  ExchangeTracker tracker({.boot_id = 2, .tcp_spans = false}, protocols_, writer_, metrics_);
  const MadeRecord made = client_.Send(kHello, kStart);
  tracker.OnData(made.data, &made.connection, made.payload);
  tracker.Finish(kStart + kSecond);
  EXPECT_TRUE(Rows().empty());
}

}  // namespace
}  // namespace weft::ebpf
