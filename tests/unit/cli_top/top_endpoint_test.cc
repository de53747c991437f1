#include "engine/cli/top_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "tests/unit/cli_top/scripted_process.h"

namespace weft::cli {
namespace {

using testing::HasSubstr;

TEST(TopEndpoint, RatesAreThoseBetweenTwoReadings) {
  ScriptedProcess process;
  TopEndpoint endpoint = process.Endpoint();
  const TopView first = endpoint.Look(kSecond, 1'700'000'060 * kSecond);
  EXPECT_EQ(first.trouble, "");
  EXPECT_EQ(first.up_ns, 60 * kSecond);
  EXPECT_EQ(first.figures.observed, std::nullopt);
  EXPECT_EQ(first.figures.open_traces, 12);

  process.Grow(2000);
  const TopView second = endpoint.Look(3 * kSecond, 0);
  EXPECT_EQ(second.figures.observed, 1000);
  ASSERT_EQ(second.figures.sinks.size(), 1u);
  EXPECT_EQ(second.figures.sinks[0].rows, 1000);
}

TEST(TopEndpoint, PercentilesAreThoseOfTheIntervalAlone) {
  ScriptedProcess process;
  TopEndpoint endpoint = process.Endpoint();
  process.Grow(1000);  // all of them slow, and before
  endpoint.Look(kSecond, 0);
  process.slow = false;
  process.Grow(1000);
  const TopView view = endpoint.Look(2 * kSecond, 0);
  EXPECT_DOUBLE_EQ(view.figures.sinks.at(0).delay_p50_s.value_or(-1), 0.05);
  EXPECT_DOUBLE_EQ(view.figures.sinks.at(0).delay_p99_s.value_or(-1), 0.099);
}

TEST(TopEndpoint, ARestartedProcessHasNoRatesUntilTheSecondReading) {
  ScriptedProcess process;
  TopEndpoint endpoint = process.Endpoint();
  process.Grow(5000);
  endpoint.Look(kSecond, 0);
  process.start_s += 100;
  process.Grow(5000);
  EXPECT_EQ(endpoint.Look(2 * kSecond, 0).figures.observed, std::nullopt);
  process.Grow(10);
  EXPECT_EQ(endpoint.Look(3 * kSecond, 0).figures.observed, 10);
}

TEST(TopEndpoint, OneThatGoesAwayIsTroubleSinceThenAndComesBack) {
  ScriptedProcess process;
  TopEndpoint endpoint = process.Endpoint();
  endpoint.Look(kSecond, 0);
  process.answers = false;
  EXPECT_EQ(endpoint.Look(2 * kSecond, 0).trouble, "no answer: Connection refused");
  EXPECT_EQ(endpoint.Look(5 * kSecond, 0).trouble_ns, 3 * kSecond);
  process.answers = true;
  EXPECT_EQ(endpoint.Look(6 * kSecond, 0).trouble, "");
  process.answers = false;
  EXPECT_EQ(endpoint.Look(7 * kSecond, 0).trouble_ns, 0);
}

TEST(TopEndpoint, WhatIsNoWeftIsNamedWithWhatWasExpected) {
  ScriptedProcess process;
  TopEndpoint endpoint = process.Endpoint();
  process.status = 404;
  EXPECT_THAT(endpoint.Look(1, 0).trouble, HasSubstr("answers 404 to /metrics"));
  process.status = 200;
  process.page = "go_threads 7\n";
  EXPECT_THAT(endpoint.Look(2, 0).trouble, HasSubstr("weft_build_info"));
  process.page = "<html>";
  EXPECT_THAT(endpoint.Look(3, 0).trouble, HasSubstr("cannot be read: line 1"));
}

TEST(TopEndpoint, WhatAProcessWaitsForIsShown) {
  ScriptedProcess process;
  process.waits_for = "kafka: no partitions yet\nmore\n";
  EXPECT_EQ(process.Endpoint().Look(1, 0).waits_for, "kafka: no partitions yet");
}

TEST(TopEndpoint, TakesAddressesAsPeopleHaveThem) {
  const auto parsed = [](std::string_view text) {
    const auto address = TopEndpoint::ParseAddress(text);
    return address ? address->Text() : address.error().message;
  };
  EXPECT_EQ(parsed("engine-1:9338"), "engine-1:9338");
  EXPECT_EQ(parsed("http://127.0.0.1:9338/metrics"), "127.0.0.1:9338");
  EXPECT_EQ(parsed(":9338"), "127.0.0.1:9338");
  EXPECT_EQ(parsed("[::]:9338"), "[::1]:9338");
  for (const char* wrong : {"9338", "", "a:0", "https://a:1", "a:1/other"})
    EXPECT_THAT(parsed(wrong), HasSubstr("is not an address such as 127.0.0.1:9338")) << wrong;
}

}  // namespace
}  // namespace weft::cli
