#include "engine/telemetry/health.h"

#include <gtest/gtest.h>

namespace weft::telemetry {
namespace {

TEST(Health, IsAliveFromTheBeginningAndReadyWhenNothingIsPending) {
  ManualClock clock;
  Health health(clock);
  EXPECT_TRUE(health.Alive().ok);
  EXPECT_FALSE(health.IsReady().ok);  // nobody has said anything
  health.Pending("pipeline", "starting");
  EXPECT_EQ(health.IsReady().text, "pipeline: starting");
  health.Ready("pipeline");
  EXPECT_TRUE(health.IsReady().ok);
}

TEST(Health, SaysOfEachPartWhyItIsNotReady) {
  ManualClock clock;
  Health health(clock);
  health.Ready("pipeline");
  health.Pending("stitch", "no partitions: 3 members share 2");
  health.Pending("broker", "not reachable");
  EXPECT_EQ(health.IsReady().text,
            "broker: not reachable\nstitch: no partitions: 3 members share 2");
  EXPECT_TRUE(health.Alive().ok);  // a new start would not help
}

TEST(Health, WhoeverDoesNotBeatIsStuck) {
  ManualClock clock;
  Health health(clock);
  clock.Advance(Health::kStuckAfterNs);
  EXPECT_TRUE(health.Alive().ok);
  clock.Advance(kSecond);
  EXPECT_FALSE(health.Alive().ok);
  EXPECT_EQ(health.Alive().text, "stuck: no sign of life for 61s");
  health.Beat();
  EXPECT_TRUE(health.Alive().ok);
}

TEST(Health, AFailureIsNeitherAliveNorReady) {
  ManualClock clock;
  Health health(clock);
  health.Ready("pipeline");
  health.Failed("stitch partition 3: fenced");
  EXPECT_EQ(health.Alive().text, "failed: stitch partition 3: fenced");
  EXPECT_FALSE(health.IsReady().ok);
}

TEST(Health, WhileItStopsItIsAliveAndNotReadyHoweverLongItTakes) {
  ManualClock clock;
  Health health(clock);
  health.Ready("pipeline");
  health.Stopping();
  clock.Advance(10 * Health::kStuckAfterNs);
  EXPECT_TRUE(health.Alive().ok);
  EXPECT_EQ(health.IsReady().text, "stopping");
}

}  // namespace
}  // namespace weft::telemetry
