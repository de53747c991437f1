#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/api/ids.h"
#include "tests/unit/sources/ebpf/tracker_fixture.h"

namespace weft::ebpf {
namespace {

TEST_F(ExchangeTrackerTest, PublishesAServerRowWithAllItsFacts) {
  Feed(server_.Receive(kRequest, kStart + 1));
  server_.tid = 102;
  Feed(server_.Send(kResponse, kStart + 9));

  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  const Row& row = rows[0];
  EXPECT_EQ(row.kind, WEFT_KIND_SERVER);
  EXPECT_EQ(row.protocol, WEFT_PROTOCOL_HTTP1);
  EXPECT_EQ(row.start_ns, kStart + 1);
  EXPECT_EQ(row.end_ns, kStart + 9);
  EXPECT_EQ(row.request_tid, 101u);
  EXPECT_EQ(row.response_tid, 102u);
  EXPECT_EQ(row.fd, 5);
  EXPECT_EQ(row.local_address, "10.0.0.1");
  EXPECT_EQ(row.remote_address, "10.0.0.2");
  EXPECT_EQ(row.local_port, 8080);
  EXPECT_EQ(row.remote_port, 40000);
  EXPECT_EQ(row.request_bytes, kRequest.size());
  EXPECT_EQ(row.response_bytes, kResponse.size());
  EXPECT_EQ(row.wire_id, api::WireId(7000, 5000));
  EXPECT_EQ(row.span_id, api::SpanId(row.wire_id, api::Side::kServer));
  EXPECT_EQ(row.flags, static_cast<uint32_t>(WEFT_FLAG_NEW_CONNECTION));
  EXPECT_EQ(metrics_.Get("agent.decoded").Get(), 2u);
}

TEST_F(ExchangeTrackerTest, GivesBothEndsTheSameWireIdAndDifferentSpanIds) {
  Feed(client_.Send(kRequest, kStart));
  Feed(server_.Receive(kRequest, kStart + 1));
  Feed(server_.Send(kResponse, kStart + 2));
  Feed(client_.Receive(kResponse, kStart + 3));

  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].kind, WEFT_KIND_CLIENT);
  EXPECT_EQ(rows[1].kind, WEFT_KIND_SERVER);
  EXPECT_EQ(rows[0].wire_id, rows[1].wire_id);
  EXPECT_NE(rows[0].span_id, rows[1].span_id);
  EXPECT_NE(rows[0].connection, rows[1].connection);
}

TEST_F(ExchangeTrackerTest, NeedsToBeToldOnceWhoTalks) {
  Feed(server_.Receive(kRequest, kStart));
  const MadeRecord answer = server_.Send(kResponse, kStart + 1);
  tracker_.OnData(answer.data, nullptr, answer.payload);
  EXPECT_EQ(Rows().size(), 1u);
  EXPECT_EQ(metrics_.Get("agent.undescribed").Get(), 0u);
}

TEST_F(ExchangeTrackerTest, CountsRecordsOfConnectionsThatNobodyDescribed) {
  const MadeRecord made = server_.Receive(kRequest, kStart);
  tracker_.OnData(made.data, nullptr, made.payload);
  EXPECT_EQ(metrics_.Get("agent.undescribed").Get(), 1u);
  EXPECT_EQ(tracker_.connections(), 0u);
  // Repeated later.
  Feed(server_.Receive(kRequest, kStart + 1));
  Feed(server_.Send(kResponse, kStart + 2));
  EXPECT_EQ(Rows().size(), 1u);
}

TEST_F(ExchangeTrackerTest, TakesADescriptionThatCameWithAnotherProcesssRecord) {
  const MadeRecord unwanted = server_.Receive(kRequest, kStart);
  tracker_.OnDescription(unwanted.data, unwanted.connection);
  for (const MadeRecord& made :
       {server_.Receive(kRequest, kStart + 1), server_.Send(kResponse, kStart + 2)})
    tracker_.OnData(made.data, nullptr, made.payload);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].remote_address, "10.0.0.2");
  EXPECT_EQ(metrics_.Get("agent.undescribed").Get(), 0u);
}

TEST_F(ExchangeTrackerTest, ForgetsDescriptionsThatNobodyNeeds) {
  const MadeRecord unwanted = server_.Receive(kRequest, kStart);
  tracker_.OnDescription(unwanted.data, unwanted.connection);
  tracker_.Sweep(kStart + 3 * int64_t{WEFT_DESCRIBE_NS});
  const MadeRecord made = server_.Receive(kRequest, kStart + 1);
  tracker_.OnData(made.data, nullptr, made.payload);
  EXPECT_EQ(metrics_.Get("agent.undescribed").Get(), 1u);
}

TEST_F(ExchangeTrackerTest, FollowsAKeepAliveConnection) {
  for (int i = 0; i < 3; i++) {
    Feed(server_.Receive(kRequest, kStart + 10 * i));
    Feed(server_.Send(kResponse, kStart + 10 * i + 5));
  }
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_NEW_CONNECTION);
  EXPECT_FALSE(rows[1].flags & WEFT_FLAG_NEW_CONNECTION);
  EXPECT_NE(rows[0].exchange, rows[1].exchange);
  EXPECT_NE(rows[1].wire_id, rows[2].wire_id);
}

TEST_F(ExchangeTrackerTest, JoinsAConnectionThatWasThereBeforeInTheMiddleOfAResponse) {
  server_.wire.opened_ns = 0;
  Feed(server_.Send("rest of a body that nobody saw begin", kStart));
  Feed(server_.Receive(kRequest, kStart + 1));
  Feed(server_.Send(kResponse, kStart + 2));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].start_ns, kStart + 1);
  EXPECT_FALSE(rows[0].flags & WEFT_FLAG_NEW_CONNECTION);
}

TEST_F(ExchangeTrackerTest, SkipsABodyOfWhichOnlyThePrefixWasCaptured) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
  Feed(server_.Receive(kRequest, kStart));
  Feed(server_.SendLong(head + std::string(200, 'x'), head.size() + 60000, kStart + 1));
  Feed(server_.SendLong(std::string(200, 'x'), 40000, kStart + 2));
  Feed(server_.Receive(kRequest, kStart + 3));
  Feed(server_.Send(kResponse, kStart + 4));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].end_ns, kStart + 2);
  EXPECT_EQ(rows[0].response_bytes, head.size() + 100000);
  EXPECT_FALSE(rows[0].flags & WEFT_FLAG_INCOMPLETE);
}

TEST_F(ExchangeTrackerTest, TakesASendThatWasRefusedAndRepeatedOnce) {
  Feed(client_.Send(kRequest, kStart));
  client_.TakeBack(static_cast<uint32_t>(kRequest.size()));
  Feed(client_.Send(kRequest, kStart + 1));
  Feed(client_.Receive(kResponse, kStart + 2));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].request_bytes, kRequest.size());
  EXPECT_EQ(metrics_.Get("agent.repeats").Get(), 1u);
}

TEST_F(ExchangeTrackerTest, MarksAnExchangeWithLostBytesAsIncomplete) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
  Feed(server_.Receive(kRequest, kStart));
  Feed(server_.Send(head, kStart + 1));
  (void)server_.Send(std::string(500, 'x'), kStart + 2);
  Feed(server_.Send(std::string(500, 'x'), kStart + 3));
  Feed(server_.Receive(kRequest, kStart + 4));
  Feed(server_.Send(kResponse, kStart + 5));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_INCOMPLETE);
  EXPECT_FALSE(rows[1].flags & WEFT_FLAG_INCOMPLETE);
  EXPECT_EQ(metrics_.Get("agent.gap_bytes").Get(), 500u);
}

TEST_F(ExchangeTrackerTest, KeepsAPipelinedRequestProvisionalUntilItsResponseComes) {
  Feed(client_.Send(std::string(kRequest) + std::string(kRequest), kStart));
  tracker_.Sweep(kStart + kSecond);
  auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_FALSE(rows[0].flags & WEFT_FLAG_PROVISIONAL);
  EXPECT_EQ(rows[0].wire_id, api::WireId(7000, 5000));
  EXPECT_TRUE(rows[1].flags & WEFT_FLAG_PROVISIONAL);
  EXPECT_EQ(rows[1].wire_id, 0u);

  Feed(client_.Receive(std::string(kResponse) + std::string(kResponse), kStart + kSecond));
  rows = Rows();
  ASSERT_EQ(rows.size(), 4u);
  const auto second = 7000 + static_cast<uint32_t>(kRequest.size());
  EXPECT_EQ(rows[3].wire_id, api::WireId(second, 5000 + static_cast<uint32_t>(kResponse.size())));
  EXPECT_FALSE(rows[3].flags & WEFT_FLAG_PROVISIONAL);
  EXPECT_EQ(rows[1].exchange, rows[3].exchange);
}

TEST_F(ExchangeTrackerTest, BelievesContextOfTrustedPeersOnly) {
  const std::string request =
      "GET / HTTP/1.1\r\nHost: a\r\n"
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
      "tracestate: ot=th:8,vendor=1\r\n\r\n";
  MadeSocket stranger(13, 8080, 40001, 1, 1);
  inet_pton(AF_INET, "8.8.8.8", stranger.wire.remote_address);
  Feed(server_.Receive(request, kStart));
  Feed(server_.Send(kResponse, kStart + 1));
  Feed(stranger.Receive(request, kStart + 2));
  Feed(stranger.Send(kResponse, kStart + 3));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_CONTEXT);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_SAMPLED);
  EXPECT_FALSE(rows[1].flags & WEFT_FLAG_SAMPLED);
  EXPECT_EQ(rows[0].context_span_id, 0x00f067aa0ba902b7u);
  EXPECT_FALSE(rows[1].flags & WEFT_FLAG_CONTEXT);
  EXPECT_EQ(rows[1].context_span_id, 0u);
  EXPECT_THAT(rows[1].attributes,
              testing::Contains("weft.untrusted_context=4bf92f3577b34da6a3ce929d0e0e4736-"
                                "00f067aa0ba902b7"));
  EXPECT_THAT(rows[0].attributes, testing::Contains("w3c.tracestate=ot=th:8,vendor=1"));
  EXPECT_THAT(rows[1].attributes, testing::Not(testing::Contains(testing::HasSubstr("ot=th"))));
}

TEST_F(ExchangeTrackerTest, KeepsTheFirstWholeMembersOfALongTraceState) {
  std::string state = "ot=th:8";
  for (int i = 0; i < 8; ++i) state += ",m" + std::to_string(i) + "=" + std::string(200, 'x');
  const std::string request =
      "GET / HTTP/1.1\r\nHost: a\r\n"
      "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
      "tracestate: " +
      state + "\r\n\r\n";
  Feed(server_.Receive(request.substr(0, 900), kStart));  // a record holds 1,024 bytes
  Feed(server_.Receive(request.substr(900), kStart));
  Feed(server_.Send(kResponse, kStart + 1));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  const std::string kept = state.substr(0, state.find(",m4"));
  EXPECT_THAT(rows[0].attributes, testing::Contains("w3c.tracestate=" + kept));
}

TEST_F(ExchangeTrackerTest, KeepsTheGroundTruthOutOfTheAttributes) {
  Feed(server_.Receive("GET / HTTP/1.1\r\nX-Weft-Truth: secret-truth\r\n\r\n", kStart));
  Feed(server_.Send(kResponse, kStart + 1));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].truth, "secret-truth");
  EXPECT_THAT(rows[0].attributes, testing::Not(testing::Contains(testing::HasSubstr("truth"))));
}

TEST_F(ExchangeTrackerTest, FollowsPipelinedRedisCommands) {
  const std::string get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", value = "$1\r\nx\r\n";
  Feed(client_.Send(get + get + get, kStart));
  Feed(client_.Receive(value + value, kStart + 1));
  Feed(client_.Receive(value, kStart + 2));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[2].end_ns, kStart + 2);
  EXPECT_EQ(rows[0].protocol, WEFT_PROTOCOL_REDIS);
  EXPECT_EQ(rows[0].kind, WEFT_KIND_CLIENT);
  const auto step = static_cast<uint32_t>(get.size());
  EXPECT_EQ(rows[1].wire_id, api::WireId(7000 + step, 5000 + static_cast<uint32_t>(value.size())));
}

TEST_F(ExchangeTrackerTest, SeesTheFirstRedisCommandOfAConnectionAtTheClient) {
  Feed(client_.Send("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n", kStart));
  Feed(client_.Receive("+OK\r\n", kStart + 1));
  Feed(client_.Send("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", kStart + 2));
  Feed(client_.Receive("$5\r\nvalue\r\n", kStart + 3));
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_NEW_CONNECTION);
}

TEST_F(ExchangeTrackerTest, KnowsAPipeliningConnectionThatWasQuietWhenTheAgentCame) {
  const std::string get = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", value = "$1\r\nx\r\n";
  client_.wire.opened_ns = 0;
  for (const int64_t before : {10 * kMillisecond, 200 * kMillisecond}) {
    client_.wire.cookie++;
    ExchangeTracker tracker({.boot_id = 2, .attached_ns = kStart - before}, protocols_, writer_,
                            metrics_);
    for (const MadeRecord& made :
         {client_.Send(get, kStart + before), client_.Receive(value, kStart + before + 1)}) {
      MadeRecord moved = made;
      moved.data.time_ns -= static_cast<uint64_t>(before);
      tracker.OnData(moved.data, &moved.connection, moved.payload);
    }
    tracker.Finish(kStart + kMillisecond);
  }
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_INCOMPLETE);
  EXPECT_FALSE(rows[1].flags & WEFT_FLAG_INCOMPLETE);
  EXPECT_EQ(rows[1].end_ns, kStart + 1);
}

TEST_F(ExchangeTrackerTest, NamesAProcessThatIsGoneAfterItsLastExec) {
  processes_.OnExec(client_.pid, "curl");
  Feed(client_.Send(kRequest, kStart));
  Feed(client_.Receive(kResponse, kStart + 1));
  processes_.OnExit(client_.pid);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].service, "curl");
}

TEST_F(ExchangeTrackerTest, KeepsTheWireIdOfAnOpenRequestWhenOtherBytesArrive) {
  // The peer speaks before the request is answered: a push message.
  Feed(client_.Send("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", kStart));
  Feed(client_.Receive("$1\r\nx\r\n", kStart + 1));
  Feed(client_.Send("*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$1\r\n0\r\n", kStart + 2));
  Feed(client_.Receive(">2\r\n+invalidate\r\n*1\r\n+a\r\n", kStart + 3));
  tracker_.Sweep(kStart + 2 * kSecond);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1].wire_id, api::WireId(7000 + 20, 5000 + 7));
}

TEST_F(ExchangeTrackerTest, CountsARecordThatMakesNoSense) {
  MadeRecord made = server_.Receive(kRequest, kStart);
  made.data.type = 99;
  Feed(made);
  made.data.type = WEFT_RECORD_RECEIVE;
  made.data.length = 1;
  Feed(made);
  EXPECT_EQ(metrics_.Get("agent.records").Get(), 2u);
  EXPECT_EQ(metrics_.Get("agent.parse_failed").Get(), 2u);
  EXPECT_TRUE(Rows().empty());
}

}  // namespace
}  // namespace weft::ebpf
