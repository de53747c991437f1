#include "sql/serve/jaeger_query.h"

#include <gtest/gtest.h>

namespace weft::serve {
namespace {

constexpr int64_t kNow = 1'700'000'000'000'000'000, kHour = 3'600'000'000'000;

std::string Refusal(const std::string& query) {
  const auto parsed = ParseJaegerQuery(MakeTarget("/api/traces?" + query), kNow);
  return parsed ? "(accepted)" : parsed.error().message;
}

TEST(JaegerQuery, ReadsAllParameters) {
  const auto query = ParseJaegerQuery(
      MakeTarget("/api/traces?service=cart&operation=GET+%2Fcart&start=1699999000000000&end="
                 "1700000000000000&minDuration=1.5ms&maxDuration=1h2m&limit=7&tag=a:b:c&tags="
                 "%7B%22error%22%3A%22true%22%7D"),
      kNow);
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_EQ(query->service, "cart");
  EXPECT_EQ(query->operation, "GET /cart");
  EXPECT_EQ(query->from_ns, 1'699'999'000'000'000'000);
  EXPECT_EQ(query->to_ns, kNow);
  EXPECT_EQ(query->min_duration_ns, 1'500'000);
  EXPECT_EQ(query->max_duration_ns, 62 * 60'000'000'000);
  EXPECT_EQ(query->limit, 7);
  EXPECT_EQ(query->tags, (std::map<std::string, std::string>{{"a", "b:c"}, {"error", "true"}}));
}

TEST(JaegerQuery, LooksTwoDaysBackByItself) {
  const auto query = ParseJaegerQuery(MakeTarget("/api/traces?service=a"), kNow);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->from_ns, kNow - 48 * kHour);
  EXPECT_EQ(query->to_ns, kNow);
  EXPECT_EQ(query->limit, 100);
}

TEST(JaegerQuery, RefusesInJaegersWords) {
  EXPECT_EQ(Refusal(""), "parameter 'service' is required");
  EXPECT_EQ(Refusal("service=a&start=x"),
            "unable to parse param 'start': strconv.ParseInt: parsing \"x\": invalid syntax");
  EXPECT_EQ(Refusal("service=a&limit=1e3"), "strconv.ParseInt: parsing \"1e3\": invalid syntax");
  EXPECT_EQ(Refusal("service=a&limit=99999999999999999999"),
            "strconv.ParseInt: parsing \"99999999999999999999\": value out of range");
  EXPECT_EQ(Refusal("service=a&minDuration=5"),
            "unable to parse param 'minDuration': time: missing unit in duration \"5\"");
  EXPECT_EQ(Refusal("service=a&minDuration=5d"),
            "unable to parse param 'minDuration': time: unknown unit \"d\" in duration \"5d\"");
  EXPECT_EQ(Refusal("service=a&minDuration=2s&maxDuration=1s"),
            "'maxDuration' should be greater than 'minDuration'");
  EXPECT_EQ(Refusal("service=a&tag=x"),
            "malformed 'tag' parameter, expecting key:value, received: x");
  EXPECT_EQ(Refusal("traceID=xyz"),
            "cannot parse traceID param: strconv.ParseUint: parsing \"xyz\": invalid syntax");
  for (const char* tags : {"%7B", "%5B%5D", "%7B%22a%22%3A1%7D", "1"})
    EXPECT_TRUE(Refusal(std::string("service=a&tags=") + tags)
                    .starts_with("malformed 'tags' parameter, cannot unmarshal JSON: "))
        << tags;
}

TEST(JaegerQuery, FillsShortTraceIdsUp) {
  EXPECT_EQ(*ParseJaegerTraceId("ABC1"), "0000000000000000000000000000abc1");
  EXPECT_FALSE(ParseJaegerTraceId(""));
  EXPECT_FALSE(ParseJaegerTraceId("123456789012345678901234567890123"));
}

TEST(JaegerQuery, ReadsDurationsAsGoDoes) {
  EXPECT_EQ(*ParseGoDuration("0"), 0);
  EXPECT_EQ(*ParseGoDuration("1.2ms"), 1'200'000);
  EXPECT_EQ(*ParseGoDuration("-1m30s"), -90'000'000'000);
  EXPECT_EQ(*ParseGoDuration("3µs"), 3'000);
  for (const char* wrong : {"", "-", "ms", "1.2.3s", "1 s", "s1", "99999999999h"})
    EXPECT_FALSE(ParseGoDuration(wrong)) << wrong;
}

TEST(JaegerQuery, ReadsTimesOfRfc3339) {
  EXPECT_EQ(*ParseRfc3339("2023-11-14T22:13:20Z"), kNow);
  EXPECT_EQ(*ParseRfc3339("2023-11-14T23:13:20.000000001+01:00"), kNow + 1);
  for (const char* wrong : {"", "2023-11-14", "2023-11-14T22:13:20", "2023-13-14T22:13:20Z",
                            "2023-11-14T22:13:20.1.2Z", "9999-11-14T22:13:20Z", "x"})
    EXPECT_FALSE(ParseRfc3339(wrong)) << wrong;
}

TEST(JaegerQuery, KeepsTimesBeyondAllTimeInBounds) {
  const auto query = ParseJaegerQuery(
      MakeTarget("/api/traces?service=a&start=-9223372036854775807&end=9223372036854775807"), kNow);
  ASSERT_TRUE(query) << query.error().message;
  EXPECT_LT(query->from_ns, 0);
  EXPECT_GT(query->to_ns, kNow);
}

}  // namespace
}  // namespace weft::serve
