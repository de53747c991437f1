// Heads that are known must not show: every exchange is found as by a set that knows nothing.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/base/metrics.h"
#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf::http1 {
namespace {

ProtocolSettings Settings() {
  ProtocolSettings settings;
  settings.token_salt = "salt";
  settings.headers = {"x-tenant"};
  settings.capture_truth = true;
  return settings;
}

// All that is found of an exchange but its place and its times. Every member is named, so that one
// that comes new does not compile before somebody has thought of it here, and in KnownHead.
std::string Show(const Exchange& e) {
  const auto& [protocol, status, incomplete, aborted, pipelined, one_way, has_response,
               names_server, request_direction, request, response, operation, peer, request_id,
               trace_state, truth, tag, wire_id, context, attributes, request_tokens,
               response_tokens, answers_secret] = e;
  std::string text = fmt::format(
      "{} [{}] protocol {} status {} tag {} wire {} bytes {} {} to {} ids '{}' '{}' '{}' flags",
      operation, peer, protocol, status, tag, wire_id, request.bytes(), response.bytes(),
      static_cast<int>(request_direction), request_id, trace_state, truth);
  for (const bool flag : {incomplete, aborted, pipelined, one_way, has_response, names_server,
                          answers_secret, context.sampled, context.unsampled})
    text += flag ? " 1" : " 0";
  text +=
      fmt::format(" context {:x} {:x} {:x}", context.trace_hi, context.trace_lo, context.span_id);
  for (const Attributes::Item& item : attributes.items())
    text += item.is_number ? fmt::format(" {}={}", item.key, item.number)
                           : fmt::format(" {}='{}'", item.key, attributes.Text(item));
  for (const TokenSet* tokens : {&request_tokens, &response_tokens}) {
    text += " |";
    for (const uint32_t hash : tokens->hashes()) text += fmt::format(" {:x}", hash);
  }
  return text;
}

class Texts final : public ExchangeSink {
 public:
  void OnClosed(const Exchange& e) override { found.push_back(Show(e)); }
  std::vector<std::string> found;
};

struct Talked {
  std::string request, response;
  Direction requests = Direction::kReceived;
  uint32_t pid = 1;
};

// One exchange on a connection of its own, cut into pieces of at most `piece` bytes.
std::string Find(const ProtocolSet& set, const Talked& talked, size_t piece) {
  Texts sink;
  Conversation conversation(set, sink, true);
  const Mark mark{.time_ns = 1, .pid = talked.pid, .tid = talked.pid, .fd = 3};
  for (const bool request : {true, false}) {
    std::string_view left = request ? talked.request : talked.response;
    const Direction direction = request ? talked.requests : Opposite(talked.requests);
    for (uint64_t position = 100; !left.empty();) {
      const std::string_view bytes = left.substr(0, piece);
      conversation.Feed(direction, {position, bytes, bytes.size(), mark});
      position += bytes.size();
      left.remove_prefix(bytes.size());
    }
  }
  conversation.End(mark);
  return fmt::format("{}", fmt::join(sink.found, "\n"));
}

std::vector<Talked> Variety() {
  const std::string agent = "User-Agent: a client of ours that is well known\r\n";
  const std::string server =
      "Server: one-of-ours/1.0 (and more of it)\r\nVary: Accept-Encoding\r\n";
  const auto get = [&](const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: shop.example.com:8080\r\n" + agent + more + "\r\n";
  };
  const auto answer = [&](const std::string& status, const std::string& more,
                          const std::string& body) {
    return "HTTP/1.1 " + status + "\r\n" + server + more + "\r\n" + body;
  };
  const std::string ok = answer("200 OK", "Content-Length: 12\r\n", "order-815 ok");
  std::vector<Talked> all = {
      {get("/cart/4711?user=anna17&token=secret"), ok},
      {get("/cart/4711?user=anna17&token=secret"), ok, Direction::kSent},
      {get("/cart/4711?user=anna17&token=secret"), ok, Direction::kReceived, 2},
      {get("/cart/4711?user=anna17&token=secret"),
       answer("200 OK", "Content-Length: 12\r\n", "order-816 ok")},
      {get("/items", "X-Tenant: acme-77\r\nX-Batch-Of-This: batch-4242\r\n"),
       answer("404 Not Found", "X-Tenant: acme-77\r\nContent-Length: 0\r\n", "")},
      {get("/items"), answer("503 Service Unavailable", "Content-Length: 0\r\n", "")},
      {get("/items", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"),
       ok},
      {get("/items", "X-Request-ID: 8f14e45f-ceea-467f\r\n"), ok},
      {get("/items"),
       answer("200 OK", "Transfer-Encoding: chunked\r\n", "5\r\nabc77\r\n0\r\n\r\n")},
      {get("/items"), answer("200 OK", "Content-Encoding: gzip\r\nContent-Length: 4\r\n", "zz99")},
      {get("/items"), answer("204 No Content", "", "")},
      {get("/items"), answer("100 Continue", "X-Early-Of-This: early-123\r\n", "") + ok},
      {"POST /orders HTTP/1.1\r\nHost: shop.example.com\r\n" + agent +
           "Content-Length: 14\r\n\r\nid=order-81599",
       ok},
      {"HEAD /items HTTP/1.1\r\nHost: shop.example.com\r\n" + agent + "\r\n",
       answer("200 OK", "Content-Length: 999\r\n", "")},
      {get("/items", "Content-Length: 1\r\nContent-Length: 2\r\n"), ok},
      {"GET http://else.example/a?b=c77 HTTP/1.0\r\nHost: shop.example.com\r\n" + agent + "\r\n",
       ok},
  };
  return all;
}

TEST(KnownHeads, GiveWhatReadingGives) {
  const std::vector<Talked> all = Variety();
  Metrics metrics;
  const ProtocolSet knows(Settings(), metrics);
  std::vector<std::vector<std::string>> expected(all.size());
  const size_t pieces[] = {SIZE_MAX, 90, 7};
  for (size_t i = 0; i < all.size(); ++i) {
    for (const size_t piece : pieces) {
      Metrics others;
      expected[i].push_back(Find(ProtocolSet(Settings(), others), all[i], piece));
    }
    EXPECT_FALSE(expected[i][0].empty()) << all[i].request;
  }
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const size_t i = random() % all.size(), piece = random() % 8 < 6 ? 0 : random() % 3;
    ASSERT_EQ(Find(knows, all[i], pieces[piece]), expected[i][piece]) << "round " << round << "\n"
                                                                      << all[i].request;
  }
}

TEST(KnownHeads, HideNoFieldThatMeansSomethingToUs) {
  const std::vector<std::pair<FieldName, std::string>> fields = {
      {FieldName::kOther, "X-Tenant: acme-77"},
      {FieldName::kHost, "Host: shop.example.com:8080"},
      {FieldName::kUserAgent, "User-Agent: a client of ours"},
      {FieldName::kRequestId, "X-Request-ID: 8f14e45f-ceea-467f"},
      {FieldName::kTruth, fmt::format("{}: truth-of-this-1", kTruthHeader)},
      {FieldName::kBaggage, "Baggage: user=anna,tenant=acme"},
      {FieldName::kContentLength, "Content-Length: 12"},
      {FieldName::kTransferEncoding, "Transfer-Encoding: chunked"},
      {FieldName::kContentEncoding, "Content-Encoding: gzip"},
      {FieldName::kTraceContext,
       "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n"
       "tracestate: vendor=of-ours"},
  };
  ASSERT_EQ(fields.size(), static_cast<size_t>(FieldName::kTraceContext) + 1);
  for (const auto& [name, line] : fields) {
    ASSERT_EQ(NameField(line.substr(0, line.find(':'))), name);
    const std::string body = name == FieldName::kTransferEncoding ? "c\r\norder-815 ok\r\n0\r\n\r\n"
                             : name == FieldName::kContentLength  ? "order-815 ok"
                                                                  : "";
    for (const Direction requests : {Direction::kReceived, Direction::kSent}) {
      const Talked talked{
          fmt::format("GET /items/4711?user=anna17 HTTP/1.1\r\n{}\r\n\r\n{}", line, body),
          fmt::format("HTTP/1.1 404 Not Found\r\nServer: one-of-ours\r\n{}\r\n\r\n{}", line, body),
          requests};
      Metrics metrics, others;
      const ProtocolSet knows(Settings(), metrics);
      const std::string expected = Find(ProtocolSet(Settings(), others), talked, SIZE_MAX);
      // Every fourth head is looked at, of two that come in turn: by the end both are known.
      for (int reading = 1; reading <= 12; ++reading)
        ASSERT_EQ(Find(knows, talked, SIZE_MAX), expected) << line << "\nreading " << reading;
    }
  }
}

TEST(KnownHeads, AreThoseThatCameSeveralTimes) {
  KnownHeads heads;
  const auto head = [](int i) {
    return "GET /items/" + std::to_string(i) + " HTTP/1.1\r\n" + std::string(60, 'x') + "\r\n\r\n";
  };
  const auto offer = [&](const std::string& text) { return heads.Offer(1, text, text.size()); };
  for (int offers = 0; offer(head(1)) == nullptr; ++offers) ASSERT_LT(offers, 10);
  KnownHead* const known = heads.Find(1, head(1) + "and a body");
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->text, head(1));
  EXPECT_EQ(heads.Find(2, head(1)), nullptr) << "of another process";
  EXPECT_EQ(heads.Find(1, head(1).substr(0, head(1).size() - 1)), nullptr);
  EXPECT_EQ(heads.Find(1, head(2)), nullptr);
  EXPECT_EQ(offer(std::string(KnownHeads::kMaxHead + 1, 'x')), nullptr);
  for (int i = 2; i < 20'000; ++i) EXPECT_EQ(offer(head(i)), nullptr);
}

}  // namespace
}  // namespace weft::ebpf::http1
