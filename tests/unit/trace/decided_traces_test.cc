#include "engine/trace/decided_traces.h"

#include <gtest/gtest.h>

namespace weft::trace {
namespace {

TEST(DecidedTraces, GivesBackTheVerdict) {
  DecidedTraces decided(100);
  decided.Remember({1, 2}, {true, 3, 4.5F});
  const auto verdict = decided.Find({1, 2});
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->keep);
  EXPECT_EQ(verdict->rule, 3);
  EXPECT_EQ(verdict->weight, 4.5F);
  EXPECT_FALSE(decided.Find({2, 1}));
}

TEST(DecidedTraces, KnowsAtLeastTheNewestAndForgetsTheOldestCounted) {
  DecidedTraces decided(1000);
  for (uint64_t i = 0; i < 5000; ++i) decided.Remember({i, 1}, {i % 2 == 0, 0, 1.0F});
  for (uint64_t i = 4000; i < 5000; ++i) ASSERT_EQ(decided.Find({i, 1})->keep, i % 2 == 0);
  EXPECT_FALSE(decided.Find({0, 1}));
  EXPECT_GE(decided.forgotten(), 3000u);
}

TEST(DecidedTraces, StaysWithinAFewBytesPerTrace) {
  DecidedTraces decided(1u << 16);
  for (uint64_t i = 0; i < (1u << 20); ++i) decided.Remember({i, 1}, {});
  EXPECT_LE(decided.MemoryBytes(), (1u << 16) * 2u * 32u * 2u);
}

// A dropped trace's rule and weight are in the log; here it is enough that it was dropped.
TEST(DecidedTraces, KnowsTheDroppedAtAFewBytesEach) {
  DecidedTraces decided(1u << 18);
  constexpr uint64_t kTraces = 1u << 20;
  for (uint64_t i = 0; i < kTraces; ++i) decided.Remember({i, 7}, {false, 3, 1.0F});
  for (uint64_t i = kTraces - (1u << 18); i < kTraces; ++i) {
    const auto verdict = decided.Find({i, 7});
    ASSERT_TRUE(verdict);
    ASSERT_FALSE(verdict->keep);
  }
  for (uint64_t i = 0; i < 1'000'000; ++i) ASSERT_FALSE(decided.Find({i, 8}));
  EXPECT_LE(decided.MemoryBytes(), (1u << 18) * 2u * 14u);
}

TEST(DroppedTraces, FindsAllOfThemHoweverManyThereAre) {
  for (const uint64_t traces : {1u, 1000u, 3000u, 100'000u}) {
    DroppedTraces dropped;
    for (uint64_t i = 0; i < traces; ++i) dropped.Add(Mix64(i));
    EXPECT_EQ(dropped.size(), traces);
    for (uint64_t i = 0; i < traces; ++i) ASSERT_TRUE(dropped.Has(Mix64(i))) << i;
    for (uint64_t i = traces; i < traces + 100'000; ++i) ASSERT_FALSE(dropped.Has(Mix64(i)));
  }
}

TEST(DroppedTraces, TakesSevenBytesEachWhereTheirNumberIsKnown) {
  constexpr size_t kTraces = 1u << 20;
  DroppedTraces dropped(kTraces);
  for (uint64_t i = 0; i < kTraces; ++i) dropped.Add(Mix64(i));
  EXPECT_LT(dropped.MemoryBytes(), kTraces * 7);
}

}  // namespace
}  // namespace weft::trace
