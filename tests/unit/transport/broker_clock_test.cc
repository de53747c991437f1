#include "engine/transport/broker_clock.h"

#include <array>
#include <optional>

#include <gtest/gtest.h>

#include "engine/transport/kafka_watch.h"

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

WatchedEnds::Snapshot Ends(uint64_t number, int64_t asked_ns, uint64_t events, uint64_t links) {
  return {number, asked_ns, {events, links}};
}

TEST(CaughtUpTime, IsToldWhenTheEndsOfASnapshotAreReached) {
  CaughtUpTime time;
  EXPECT_EQ(time.Look({}, {}), std::nullopt);
  EXPECT_EQ(time.Look(Ends(1, 100, 5, 5), std::array<uint64_t, 2>{4, 9}), std::nullopt);
  // Newer ends run away; those of the first question are what is waited for.
  EXPECT_EQ(time.Look(Ends(2, 200, 9, 9), std::array<uint64_t, 2>{5, 9}), 100);
  EXPECT_EQ(time.Look(Ends(2, 200, 9, 9), std::array<uint64_t, 2>{9, 9}), 200);
  EXPECT_EQ(time.Look(Ends(2, 200, 9, 9), std::array<uint64_t, 2>{9, 9}), std::nullopt) << "told";
}

TEST(CaughtUpTime, GoesOnBeingToldWhenTheBrokersClockIsSetBack) {
  CaughtUpTime time;
  const std::array<uint64_t, 2> all{9, 9};
  EXPECT_EQ(time.Look(Ends(1, 3600, 9, 9), all), 3600);
  EXPECT_EQ(time.Look(Ends(2, 7, 9, 9), all), 3600);
  EXPECT_EQ(time.Look(Ends(3, 3700, 9, 9), all), 3700);
}

}  // namespace
}  // namespace weft::transport
