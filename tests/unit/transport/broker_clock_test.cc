#include "engine/transport/broker_clock.h"

#include <gtest/gtest.h>

namespace weft::transport {
namespace {

class BrokerClockTest : public testing::Test {
 protected:
  ManualClock clock_{1000 * kSecond, 50'000 * kSecond};
  BrokerClock broker_{clock_};
};

TEST_F(BrokerClockTest, IsTheHostsWallClockUntilSomethingIsKnown) {
  EXPECT_FALSE(broker_.known());
  EXPECT_EQ(broker_.NowNs(), clock_.UnixNs());
}

TEST_F(BrokerClockTest, GoesByTheGreatestAppendTimeRelativeToItsArrival) {
  broker_.Note(7'000 * kSecond);
  EXPECT_TRUE(broker_.known());
  EXPECT_EQ(broker_.NowNs(), 7'000 * kSecond);
  clock_.Advance(kSecond);
  EXPECT_EQ(broker_.NowNs(), 7'001 * kSecond);
  broker_.Note(7'000 * kSecond + 300 * kMillisecond);  // was on its way for longer
  EXPECT_EQ(broker_.NowNs(), 7'001 * kSecond);
  broker_.Note(7'001 * kSecond + 20 * kMillisecond);  // was quicker than the first
  EXPECT_EQ(broker_.NowNs(), 7'001 * kSecond + 20 * kMillisecond);
}

TEST_F(BrokerClockTest, ForgetsWithinTwoMinutesWhatABrokersClockWasSetBackFrom) {
  broker_.Note(7'000 * kSecond);
  for (int i = 0; i < 13; ++i) {
    clock_.Advance(10 * kSecond);
    broker_.Note(6'000 * kSecond + (i + 1) * 10 * kSecond);
  }
  EXPECT_EQ(broker_.NowNs(), 6'130 * kSecond);
}

TEST_F(BrokerClockTest, DoesNotFollowTheHostsWallClock) {
  broker_.Note(7'000 * kSecond);
  ManualClock jumped(clock_.MonotonicNs(), 90'000 * kSecond);
  BrokerClock other(jumped);
  other.Note(7'000 * kSecond);
  EXPECT_EQ(other.NowNs(), broker_.NowNs());
}

}  // namespace
}  // namespace weft::transport
