#include "sinks/http/endpoint.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace weft::sinks {
namespace {

TEST(Endpoint, TakesWhatUsersWrite) {
  const auto all = Endpoint::Parse("https://tempo.example:443/otlp/v1/traces", 4318);
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->tls);
  EXPECT_EQ(all->Authority(), "tempo.example:443");
  EXPECT_EQ(all->path, "/otlp/v1/traces");
  const auto bare = Endpoint::Parse("jaeger", 4317);
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->tls);
  EXPECT_EQ(bare->Authority(), "jaeger:4317");
  EXPECT_FALSE(bare->OnThisHost());
  const auto v6 = Endpoint::Parse("http://[::1]:14317", 4317);
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->Authority(), "[::1]:14317");
  EXPECT_TRUE(v6->OnThisHost());
}

TEST(Endpoint, SaysWhatIsWrong) {
  for (const char* text : {"", "ftp://a", "http://", "a:0", "a:70000", "a:", "a:x", "::1", "[::1",
                           "user:secret@host:1", "http://host?x=1"}) {
    const auto parsed = Endpoint::Parse(text, 1);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Code::kInvalid);
    EXPECT_NE(parsed.error().message.find("expected [http://|https://]HOST"), std::string::npos);
  }
}

TEST(Endpoint, HeadersTakeSecretsFromTheEnvironmentOnly) {
  setenv("WEFT_TEST_TOKEN", "s3cret", 1);
  const auto headers = ParseHeaders(R"({"Authorization":"Bearer ${WEFT_TEST_TOKEN}","X-A":"b"})");
  ASSERT_TRUE(headers);
  EXPECT_EQ(headers->at("Authorization"), "Bearer s3cret");
  EXPECT_EQ(headers->at("X-A"), "b");
  const auto missing = ParseHeaders(R"({"Authorization":"${WEFT_TEST_NO_SUCH}"})");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("WEFT_TEST_NO_SUCH"), std::string::npos);
}

TEST(Endpoint, RefusesHeadersThatWouldEndTheirLine) {
  EXPECT_FALSE(ParseHeaders(R"({"X-A":"b\r\nX-B: c"})"));
  EXPECT_FALSE(ParseHeaders(R"({"X A":"b"})"));
  EXPECT_FALSE(ParseHeaders(R"({"":"b"})"));
  EXPECT_FALSE(ParseHeaders(R"({"X-A":1})"));
}

}  // namespace
}  // namespace weft::sinks
