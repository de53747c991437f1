#include "sources/ebpf/redact.h"

#include <gtest/gtest.h>

namespace weft::ebpf {
namespace {

std::string Query(std::string_view text) {
  std::string out;
  Redactor({"badge"}).Query(text, &out);
  return out;
}

std::string Text(std::string_view text) {
  std::string out;
  Redactor({}).Text(text, &out);
  return out;
}

std::string CommandLine(std::string_view text) {
  std::string out;
  Redactor({}).CommandLine(text, &out);
  return out;
}

using namespace std::string_view_literals;

TEST(Redactor, KeepsNamesAndHidesValuesOfSecretParameters) {
  EXPECT_EQ(Query("page=2&token=abc&sort=asc"), "page=2&token=REDACTED&sort=asc");
  for (const char* name :
       {"password", "Passwd", "pwd", "access_token", "refresh-token", "api_key", "apiKey",
        "X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId", "sig", "client_secret", "jwt",
        "session_id", "code", "badge", "pass%77ord", "%74oken"}) {
    EXPECT_EQ(Query(std::string(name) + "=hunter2"), std::string(name) + "=REDACTED") << name;
  }
}

TEST(Redactor, LeavesOtherParametersAlone) {
  EXPECT_EQ(Query("q=shoes&keyword=red&author=x&monkey=1"),
            "q=shoes&keyword=red&author=x&monkey=1");
  EXPECT_EQ(Query("flag&x="), "flag&x=");
}

TEST(Redactor, HidesSecretsInUrlsInsideOfParameters) {
  EXPECT_EQ(Query("next=http%3A%2F%2Fh%2F%3Fa%3D1%26token%3Dabc&x=1"), "next=REDACTED&x=1");
}

TEST(Redactor, HidesCredentialsInUrlsAndTokensAnywhere) {
  EXPECT_EQ(Text("redis://user:pw@cache:6379/0"), "redis://REDACTED@cache:6379/0");
  EXPECT_EQ(Text("/x/eyJhbGciOiJI.eyJzdWIi.SflKxw/y"), "/x/REDACTED/y");
  EXPECT_EQ(Text("http://cache:6379/a@b"), "http://cache:6379/a@b");
}

TEST(Redactor, GivesPrintableTextOfBoundedLength) {
  EXPECT_EQ(Text("a\x01\xff\n"), "a???");
  EXPECT_LE(Text(std::string(100000, 'x')).size(), Redactor::kMaxText + 16);
}

TEST(Redactor, HidesMatrixParametersOfPaths) {
  std::string out;
  Redactor({}).Path("/shop/cart;jsessionid=1A2B/items;v=1", &out);
  EXPECT_EQ(out, "/shop/cart;jsessionid=REDACTED/items;v=1");
}

TEST(Redactor, HidesHeadersThatAreSecretByName) {
  const Redactor redactor({});
  for (const char* name : {"Authorization", "Cookie", "Set-Cookie", "Proxy-Authorization",
                           "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token"})
    EXPECT_TRUE(redactor.IsSecretHeader(name)) << name;
  EXPECT_FALSE(redactor.IsSecretHeader("X-Tenant"));
}

TEST(Redactor, HidesOptionsOfCommandLines) {
  EXPECT_EQ(CommandLine("app\0--password\0x\0--port\0"
                        "80\0"sv),
            "app --password REDACTED --port 80");
  EXPECT_EQ(CommandLine("app\0--token=x\0db=1\0"sv), "app --token=REDACTED db=1");
  EXPECT_EQ(CommandLine("app\0postgres://u:p@h/d"sv), "app postgres://REDACTED@h/d");
}

TEST(Redactor, HidesSecretMembersOfBaggage) {
  const Redactor redactor({});
  std::string out;
  redactor.Baggage("tenant=blue,session_token=abc;ttl=3, lang=en", &out);
  EXPECT_EQ(out, "tenant=blue,session_token=REDACTED;ttl=3, lang=en");
}

TEST(Redactor, FindsTokensAndCredentialsInTextOfAnyLength) {
  const Redactor redactor({});
  for (size_t before = 0; before < 20; ++before) {
    const std::string text(before, ' ');
    std::string out;
    redactor.Text(text + "eyJhbGciOiJI.eyJzdWIi.c2ln", &out);
    EXPECT_EQ(out, text + "REDACTED");
    out.clear();
    redactor.Text(text + "http://user:pw@host/J", &out);
    EXPECT_EQ(out, text + "http://REDACTED@host/J");
    out.clear();
    redactor.Text(text + "\x7f\x1f\x80z", &out);
    EXPECT_EQ(out, text + "???z");
  }
}

}  // namespace
}  // namespace weft::ebpf
