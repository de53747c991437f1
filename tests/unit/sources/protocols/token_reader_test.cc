// Tokens of whole conversations: which parts of a message give some, and which never do.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "engine/api/plugin_abi.h"
#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf {
namespace {

struct Seen final : ExchangeSink {
  std::vector<std::set<uint32_t>> requests, responses;
  void OnClosed(const Exchange& e) override {
    requests.emplace_back(e.request_tokens.hashes().begin(), e.request_tokens.hashes().end());
    responses.emplace_back(e.response_tokens.hashes().begin(), e.response_tokens.hashes().end());
  }
};

struct Talking {
  explicit Talking(ProtocolSettings settings = {}) : set(std::move(settings), metrics) {}
  Metrics metrics;
  ProtocolSet set;
  Seen seen;
  Conversation conversation{set, seen, true};
  uint64_t position[2] = {0, 0};
  int64_t now = 0;

  void Say(Direction d, std::string_view bytes, size_t captured = SIZE_MAX) {
    uint64_t& at = position[static_cast<size_t>(d)];
    conversation.Feed(d, {at, bytes.substr(0, captured), bytes.size(), {++now, 1, 1, 3}});
    at += bytes.size();
  }
  void Request(std::string_view bytes) { Say(Direction::kReceived, bytes); }
  void Response(std::string_view bytes) { Say(Direction::kSent, bytes); }
};

uint32_t Token(std::string_view word) {
  TokenSet set;
  TokenText("", {}).Scan(word, false, &set);
  EXPECT_EQ(set.hashes().size(), 1u) << word;
  return set.hashes()[0];
}

TEST(TokenReader, ReadsPathQueryHeadersAndBodyOfARequest) {
  Talking t;
  t.Request(
      "POST /cart/57?item=1234 HTTP/1.1\r\nHost: shop-88\r\nX-Tenant: acme-9\r\n"
      "Content-Length: 12\r\n\r\n{\"id\":99001}");
  t.Response("HTTP/1.1 201 Created\r\nLocation: /order/4711\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(t.seen.requests.size(), 1u);
  const auto& tokens = t.seen.requests[0];
  for (const char* word : {"57", "1234", "acme-9", "99001"})
    EXPECT_TRUE(tokens.contains(Token(word))) << word;
  EXPECT_FALSE(tokens.contains(Token("shop-88")));
  EXPECT_TRUE(t.seen.responses[0].contains(Token("4711")));
}

TEST(TokenReader, ReadsABodyThatComesByItself) {
  Talking t;
  t.Request("GET /a HTTP/1.1\r\n\r\n");
  t.Response("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n");
  t.Response("{\"id\":5701}");
  t.Request("GET /b HTTP/1.1\r\n\r\n");
  t.Response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  t.Response("b\r\n{\"id\":5702}\r\n0\r\n\r\n");
  ASSERT_EQ(t.seen.responses.size(), 2u);
  EXPECT_TRUE(t.seen.responses[0].contains(Token("5701")));
  EXPECT_EQ(t.seen.responses[1], std::set<uint32_t>{Token("5702")});
}

// A value may have its secret name in the piece before.
TEST(TokenReader, ReadsOnlyTheFirstPieceOfABody) {
  Talking t;
  t.Request("POST /login HTTP/1.1\r\nContent-Length: 27\r\n\r\n{\"id\":57,\"password\":");
  t.Request("\"h2nter\"}");
  t.Response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(t.seen.requests.size(), 1u);
  EXPECT_FALSE(t.seen.requests[0].contains(Token("h2nter")));
  EXPECT_TRUE(t.seen.requests[0].contains(Token("57")));
}

TEST(TokenReader, DoesNotReadPackedBodiesSecretsAndContext) {
  Talking t;
  t.Request(
      "GET /x HTTP/1.1\r\nAuthorization: Bearer abc123\r\nCookie: sid=abc124\r\n"
      "X-Api-Key: abc125\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"
      "b7ad6b7169203331-01\r\nUser-Agent: a/7.88\r\n\r\n");
  t.Response(
      "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\nSet-Cookie: a=abc126\r\n"
      "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n1234");
  ASSERT_EQ(t.seen.requests.size(), 1u);
  EXPECT_TRUE(t.seen.requests[0].empty());
  EXPECT_TRUE(t.seen.responses[0].empty());
}

TEST(TokenReader, ReadsRedisKeysArgumentsAndReplies) {
  Talking t;
  t.Request("*3\r\n$3\r\nSET\r\n$7\r\ncart:57\r\n$4\r\n4711\r\n");
  t.Response("+OK\r\n");
  t.Request("*2\r\n$4\r\nMGET\r\n$7\r\ncart:57\r\n");
  t.Response("*2\r\n$4\r\n4711\r\n$-1\r\n");
  ASSERT_EQ(t.seen.requests.size(), 2u);
  EXPECT_EQ(t.seen.requests[0], (std::set<uint32_t>{Token("57"), Token("4711")}));
  EXPECT_EQ(t.seen.requests[1], std::set<uint32_t>{Token("57")});
  EXPECT_EQ(t.seen.responses[1], std::set<uint32_t>{Token("4711")});
}

TEST(TokenReader, TakesNothingFromRedisCommandsAboutSecretsNorFromTheirReplies) {
  for (const char* request :
       {"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n",
        "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$7\r\nhunter2\r\n",
        "*2\r\n$7\r\nMY.AUTH\r\n$7\r\nhunter2\r\n",
        "*2\r\n$3\r\nGET\r\n$15\r\nsession:hunter2\r\n"}) {
    Talking t;
    t.Request("*1\r\n$4\r\nPING\r\n");
    t.Response("+PONG\r\n");
    t.Request(request);
    t.Response("$7\r\nhunter3\r\n");
    ASSERT_EQ(t.seen.requests.size(), 2u) << request;
    EXPECT_TRUE(t.seen.requests[1].empty()) << request;
    EXPECT_TRUE(t.seen.responses[1].empty()) << request;
  }
}

TEST(TokenReader, TakesNothingFromTheRepliesOfATransaction) {
  Exchange exchange;
  exchange.protocol = WEFT_PROTOCOL_REDIS;
  http1::HeadMemory heads;
  const TokenReader reader("salt", {}, heads);
  reader.Message(MessageKind::kRequest, "*1\r\n$4\r\nEXEC\r\n", true, &exchange);
  reader.Message(MessageKind::kResponse, "*1\r\n$9\r\nvalue-815\r\n", true, &exchange);
  EXPECT_TRUE(exchange.response_tokens.empty());
}

TEST(TokenReader, TakesNoValueOfASecretFieldOfAHash) {
  Talking t;
  t.Request(
      "*6\r\n$4\r\nHSET\r\n$4\r\nu:57\r\n$8\r\npassword\r\n$7\r\nhunter2\r\n"
      "$2\r\nid\r\n$4\r\n4711\r\n");
  t.Response(":2\r\n");
  t.Request("*2\r\n$7\r\nHGETALL\r\n$4\r\nu:57\r\n");
  t.Response("*4\r\n$8\r\npassword\r\n$7\r\nhunter2\r\n$2\r\nid\r\n$4\r\n4711\r\n");
  t.Request("*3\r\n$4\r\nHGET\r\n$4\r\nu:57\r\n$8\r\npassword\r\n");
  t.Response("$7\r\nhunter2\r\n");
  ASSERT_EQ(t.seen.requests.size(), 3u);
  for (const auto& tokens : {t.seen.requests[0], t.seen.responses[1], t.seen.responses[2]})
    EXPECT_FALSE(tokens.contains(Token("hunter2")));
  EXPECT_TRUE(t.seen.requests[0].contains(Token("4711")));
  EXPECT_TRUE(t.seen.responses[1].contains(Token("4711")));
}

// What was asked for is not known, so it may be a secret.
TEST(TokenReader, TakesNothingFromRepliesToRedisRequestsThatWereNotReadWhole) {
  constexpr std::string_view kGet = "*2\r\n$3\r\nGET\r\n$11\r\nsession:abc\r\n";
  Talking t;
  t.Request("*1\r\n$4\r\nPING\r\n");
  t.Response("+PONG\r\n");
  t.Say(Direction::kReceived, kGet, kGet.find("$11"));
  t.Response("$7\r\nhunter2\r\n");
  t.Request("CONFIG GET requirepass\r\n");
  t.Response("*2\r\n$11\r\nrequirepass\r\n$7\r\nhunter2\r\n");
  for (const auto& tokens : t.seen.responses) EXPECT_FALSE(tokens.contains(Token("hunter2")));
}

TEST(TokenReader, DoesNotReadAFormInParts) {
  Talking t;
  t.Request(
      "POST /login HTTP/1.1\r\nContent-Length: 71\r\n\r\n--b\r\nContent-Disposition: "
      "form-data; name=\"password\"\r\n\r\nhunter2\r\n--b--\r\n");
  t.Response("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_EQ(t.seen.requests.size(), 1u);
  EXPECT_FALSE(t.seen.requests[0].contains(Token("hunter2")));
}

// For scoring only: what the truth says must not reach anything that decides.
TEST(TokenReader, IsTheSameWithAndWithoutGroundTruth) {
  for (const bool capture : {false, true}) {
    ProtocolSettings settings;
    settings.capture_truth = capture;
    Talking with(settings), without(settings);
    with.Request("GET /cart/57 HTTP/1.1\r\nX-Weft-Truth: r8000123.2\r\nX-Id: 4711\r\n\r\n");
    without.Request("GET /cart/57 HTTP/1.1\r\nX-Id: 4711\r\n\r\n");
    for (Talking* t : {&with, &without}) t->Response("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(with.seen.requests, without.seen.requests);
    ASSERT_EQ(with.seen.requests.size(), 1u);
    EXPECT_FALSE(with.seen.requests[0].contains(Token("r8000123.2")));

    Talking redis(settings), plain(settings);
    redis.Request("*3\r\n$4\r\nMGET\r\n$7\r\ncart:57\r\n$21\r\nweft-truth:r8000123.2\r\n");
    redis.Response("*2\r\n$24\r\n4711;weft-truth:r80001.1\r\n$-1\r\n");
    plain.Request("*2\r\n$4\r\nMGET\r\n$7\r\ncart:57\r\n");
    plain.Response("*1\r\n$4\r\n4711\r\n");
    redis.Request("*3\r\n$3\r\nSET\r\n$7\r\ncart:57\r\n$25\r\n4711;weft-truth:r800012.2\r\n");
    redis.Response("+OK\r\n");
    plain.Request("*3\r\n$3\r\nSET\r\n$7\r\ncart:57\r\n$4\r\n4711\r\n");
    plain.Response("+OK\r\n");
    EXPECT_EQ(redis.seen.requests, plain.seen.requests);
    EXPECT_EQ(redis.seen.responses, plain.seen.responses);
    EXPECT_EQ(redis.seen.requests.size(), 2u);
  }
}

TEST(TokenReader, CanBeSwitchedOffAndToldWhatToLeaveOut) {
  ProtocolSettings off;
  off.tokens = false;
  ProtocolSettings less;
  less.token_exclude = {"customer"};
  Talking silent(off), careful(less);
  for (Talking* t : {&silent, &careful}) {
    t->Request("GET /cart/57?customer=4711 HTTP/1.1\r\n\r\n");
    t->Response("HTTP/1.1 204 No Content\r\n\r\n");
    ASSERT_EQ(t->seen.requests.size(), 1u);
    EXPECT_FALSE(t->seen.requests[0].contains(Token("4711")));
  }
  EXPECT_TRUE(silent.seen.requests[0].empty());
  EXPECT_TRUE(careful.seen.requests[0].contains(Token("57")));
}

}  // namespace
}  // namespace weft::ebpf
