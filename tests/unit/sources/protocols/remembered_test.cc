// What the HTTP/1 parser remembers must never show: the second reading gives what the first gave.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "sources/ebpf/name_verdicts.h"
#include "sources/ebpf/protocols/http1/head.h"
#include "sources/ebpf/protocols/http1/server_names.h"
#include "sources/ebpf/protocols/http1/url_texts.h"
#include "sources/ebpf/token_reader.h"

namespace weft::ebpf::http1 {
namespace {

// "name=value" of each field, and how the head ended.
std::vector<std::string> Read(std::string_view head, KnownFields& known) {
  std::vector<std::string> fields;
  FieldCursor cursor(head, 0, known);
  FieldCursor::Item item{};
  while ((item = cursor.Next()) == FieldCursor::Item::kField)
    fields.push_back(std::string(cursor.name()) + "=" + std::string(cursor.value()) + "/" +
                     std::to_string(static_cast<int>(cursor.which())));
  fields.push_back(std::to_string(static_cast<int>(item)) + "@" +
                   std::to_string(cursor.position()));
  return fields;
}

TEST(KnownFields, GiveWhatReadingGave) {
  const std::string head =
      "Host: shop.example.com\r\nUser-Agent:  a browser \r\nAccept: */*\r\n"
      "Content-Length: 12\r\ntraceparent: 00-1-2-01\r\nX-Folded-Header: first\r\n  second\r\n"
      "Odd Name : x\r\nX-Bare-Line-Feed: yes\nCookie: a=b; c=d\r\n\r\n";
  KnownFields known, fresh;
  const auto first = Read(head, known);
  EXPECT_EQ(first, Read(head, known));
  EXPECT_EQ(first, Read(head, fresh));
}

TEST(KnownFields, AreComparedToTheLastByte) {
  KnownFields known;
  const std::string first = "X-Some-Header-Of-Ours: aaaaaaaaaaaaaaaa1\r\n\r\n";
  const std::string second = "X-Some-Header-Of-Ours: aaaaaaaaaaaaaaaa2\r\n\r\n";
  (void)Read(first, known);
  EXPECT_EQ(Read(second, known)[0], "X-Some-Header-Of-Ours=aaaaaaaaaaaaaaaa2/0");
}

TEST(KnownFields, AreNotFoundInALineThatIsNotWhole) {
  KnownFields known;
  const std::string head = "X-Some-Header-Of-Ours: aaaaaaaaaaaaaaaa1\r\n\r\n";
  const auto whole = Read(head, known);
  for (size_t n = 0; n < head.size(); ++n) {
    KnownFields fresh;
    EXPECT_EQ(Read(head.substr(0, n), known), Read(head.substr(0, n), fresh)) << n;
  }
  EXPECT_EQ(Read(head, known), whole);
}

TEST(KnownFields, OfManyLinesTheLatestAreRight) {
  KnownFields known;
  for (int i = 0; i < 5000; ++i) {
    const std::string line = "X-Header-Number-" + std::to_string(i % 1700) + ": some value\r\n\r\n";
    EXPECT_EQ(Read(line, known)[0], line.substr(0, line.find(':')) + "=some value/0");
  }
}

TEST(ServerNames, AreRememberedWithTheirPorts) {
  const Redactor redactor({});
  ServerNames names(redactor);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(names.Of("shop.example.com:8080").peer, "shop.example.com:8080");
    EXPECT_EQ(names.Of("shop.example.com:8080").port, 8080);
    EXPECT_EQ(names.Of("[::1]:80").address(), "::1");
    EXPECT_EQ(names.Of("user:password@shop").peer, "shop");
    EXPECT_EQ(names.Of("shop:99999").port, 0);
    EXPECT_EQ(names.Of(":80").address_size, 0u);
  }
}

TEST(UrlTexts, AreThoseOfTheProcessMethodAndTarget) {
  NameLimit limit(1);
  const Redactor redactor({});
  UrlTexts urls(limit, redactor);
  const auto of = [&](uint32_t pid, std::string_view method, std::string_view target) {
    const size_t question = target.find('?');
    const auto query = question == target.npos ? std::string_view() : target.substr(question + 1);
    const UrlTexts::Texts& texts = urls.Of(pid, method, target.substr(0, question), query);
    return texts.name + "|" + texts.path + "|" + texts.query;
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(of(1, "GET", "/cart/17?token=a&n=1"), "GET /cart/{id}|/cart/17|token=REDACTED&n=1");
    EXPECT_EQ(of(1, "POST", "/cart/17?token=a&n=1"), "POST /cart/*|/cart/17|token=REDACTED&n=1");
    EXPECT_EQ(of(1, "GET", "/cart/17"), "GET /cart/{id}|/cart/17|");
    EXPECT_EQ(of(2, "GET", "/other?x=1"), "GET /other|/other|x=1");
  }
}

TEST(TokenReader, GivesTheSameTokensForHeadsThatItRemembers) {
  http1::HeadMemory heads, other_heads;
  const TokenReader reader("salt", {}, heads);
  const std::string request =
      "GET /cart/4711/items?user=anna17 HTTP/1.1\r\nHost: shop\r\n"
      "X-Correlation: order-815 of batch-4242, again order-815\r\n"
      "X-Many-Values-Here: a1 b2 c3 d4 e5 f6 g7 h8 i9\r\nX-Tenant-Of-This: acme-77\r\n\r\n";
  const auto tokens = [&](const TokenReader& of) {
    Exchange exchange;
    exchange.protocol = WEFT_PROTOCOL_HTTP1;
    of.Message(MessageKind::kRequest, request, true, &exchange);
    const auto hashes = exchange.request_tokens.hashes();
    return std::vector<uint32_t>(hashes.begin(), hashes.end());
  };
  const std::vector<uint32_t> first = tokens(reader);
  EXPECT_EQ(first.size(), TokenSet::kMax);
  EXPECT_EQ(first, tokens(reader));
  EXPECT_EQ(first, tokens(TokenReader("salt", {}, other_heads)));
}

TEST(NameVerdicts, NeverGiveOneNameTheVerdictOfAnother) {
  NameVerdicts verdicts;
  const auto judge = [](std::string_view name) { return name.back() == '1'; };
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 3000; ++i) {
      const std::string name = "name" + std::to_string(i);
      EXPECT_EQ(verdicts.Of(name, judge), i % 10 == 1) << name;
    }
}

}  // namespace
}  // namespace weft::ebpf::http1
