#include "engine/redact/hidden_text.h"

#include <gtest/gtest.h>

namespace weft::redact {
namespace {

std::string Hidden(std::string_view text, uint8_t shapes = 15, bool query = false) {
  std::string out(text);
  HideSecrets(shapes, text, query, &out);
  return out;
}

TEST(HiddenText, ParametersOfUrlsLoseTheirValues) {
  EXPECT_EQ(Hidden("https://shop/cart?page=2&token=abc&sort=asc#x"),
            "https://shop/cart?page=2&token=REDACTED&sort=asc#x");
  EXPECT_EQ(Hidden("/login?code=4711"), "/login?code=REDACTED");
  EXPECT_EQ(Hidden("key=1&page=2", kNames, true), "key=REDACTED&page=2");
}

TEST(HiddenText, StatementsAndJsonLoseWhatIsNamedAsASecret) {
  EXPECT_EQ(Hidden("SELECT * FROM t WHERE password = 'it\\'s' AND id = 5"),
            "SELECT * FROM t WHERE password = 'REDACTED' AND id = 5");
  EXPECT_EQ(Hidden(R"({"user":"ann","api_key" : "a\"b","n":1})"),
            R"({"user":"ann","api_key" : "REDACTED","n":1})");
  EXPECT_EQ(Hidden("Server=db;Pwd=x y;Password=hunter2"),
            "Server=db;Pwd=REDACTED y;Password=REDACTED");
}

TEST(HiddenText, JsonStaysJson) {
  EXPECT_EQ(Hidden(R"({"input_tokens":12,"token":null,"secret":true,"n":1})"),
            R"({"input_tokens":12,"token":null,"secret":true,"n":1})");
  EXPECT_EQ(
      Hidden(R"({"tokens":["abc","d"],"credentials":{"user":"x","pin":{"a":"1"}},"b":"c"})"),
      R"({"tokens":["REDACTED","REDACTED"],"credentials":{"user":"REDACTED","pin":{"a":"REDACTED"}},"b":"c"})");
  EXPECT_EQ(Hidden(R"({"card":4111111111111111,"n":[4111111111111111]})"),
            R"({"card":"REDACTED","n":["REDACTED"]})");
  EXPECT_EQ(Hidden(R"([{"body":"{\"password\":\"hunter2\",\"n\":1}"}])"),
            R"([{"body":"{\"password\":\"REDACTED\",\"n\":1}"}])");
  EXPECT_EQ(Hidden(R"({"token":["abc)"), R"({"token":["REDACTED)");
}

TEST(HiddenText, IsLinearInWhatAStrangerSends) {
  std::string hits, heads;
  while (hits.size() < 4'000'000) hits += "pwd=";
  while (heads.size() < 4'000'000) heads += "-----BEGIN";
  EXPECT_EQ(Hidden(hits), "pwd=REDACTED");  // minutes, were each value read to its end
  EXPECT_EQ(Hidden(heads), heads);
}

TEST(HiddenText, OrdinaryTextsStayAsTheyAre) {
  for (const char* text :
       {"exit code = 1", "key=5", "unexpected token: '}'", "WHERE token = ? AND secret = $1",
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "GET /items/{id}", "2026-11-21T10:00:00.123456789Z",
        "1763720000000000000", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "Basic understanding", "user@host", "mailto:@", "=", "\"", "token=REDACTED",
        "5105105105105101", "+491701234567890", "x4111111111111111", ""})
    EXPECT_EQ(Hidden(text), text);
}

TEST(HiddenText, TokensGoWhereverTheyStand) {
  EXPECT_EQ(Hidden("jwt eyJhbGciOiJI.eyJzdWIi.SflKxw end"), "jwt REDACTED end");
  EXPECT_EQ(Hidden("Authorization: Bearer abcdefghijklmnop"), "Authorization: Bearer REDACTED");
  EXPECT_EQ(Hidden("basic dXNlcjpwYXNzd29yZA=="), "basic REDACTED");
  EXPECT_EQ(Hidden("redis://user:pw@cache:6379/0"), "redis://REDACTED@cache:6379/0");
  EXPECT_EQ(Hidden("cred AKIAIOSFODNN7EXAMPLE, ok"), "cred REDACTED, ok");
  EXPECT_EQ(Hidden("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"),
            "-----BEGIN RSA PRIVATE KEY-----REDACTED-----END RSA PRIVATE KEY-----");
}

TEST(HiddenText, CardsAreKnownByIssuerLengthAndCheckDigit) {
  EXPECT_EQ(Hidden("card 4111111111111111 ok"), "card REDACTED ok");
  EXPECT_EQ(Hidden("4111-1111-1111-1111"), "REDACTED");
  EXPECT_EQ(Hidden("3782 822463 10005"), "REDACTED");
  EXPECT_EQ(Hidden("4111111111111112"), "4111111111111112");
  EXPECT_EQ(Hidden("1234567812345670"), "1234567812345670");  // passes, but nobody's
}

TEST(HiddenText, EmailsGoOnlyWhereAskedFor) {
  EXPECT_EQ(Hidden("to ann.lee+x@mail.example.org!"), "to REDACTED!");
  EXPECT_EQ(Hidden("ann@example.org", kNames | kTokens | kCards), "ann@example.org");
}

TEST(HiddenText, OverlappingFindsBecomeOne) {
  EXPECT_EQ(Hidden("?token=eyJhbGciOiJI.eyJzdWIi.SflKxw&a=1"), "?token=REDACTED&a=1");
}

}  // namespace
}  // namespace weft::redact
