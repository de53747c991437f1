#include "engine/trace/decided_traces.h"

#include <gtest/gtest.h>

namespace weft::trace {
namespace {

TEST(DecidedTraces, GivesBackTheVerdict) {
  DecidedTraces decided(100);
  decided.Remember({1, 2}, {false, 3, 4.5F});
  const auto verdict = decided.Find({1, 2});
  ASSERT_TRUE(verdict);
  EXPECT_FALSE(verdict->keep);
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

}  // namespace
}  // namespace weft::trace
