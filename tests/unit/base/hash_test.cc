#include "engine/base/hash.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

// Ids and partitions are stored: these values must be the same in every version.
TEST(Hash, ValuesArePartOfTheContract) {
  EXPECT_EQ(Mix64(0), 0xe220a8397b1dcdafULL);
  EXPECT_EQ(Mix64(1), 0x910a2dec89025cc1ULL);
  EXPECT_EQ(HashCombine(1, 2), Mix64(1 ^ Mix64(2)));
  for (const uint64_t x : {uint64_t{0}, uint64_t{1}, uint64_t{0x1234567890abcdef}, UINT64_MAX})
    EXPECT_EQ(Unmix64(Mix64(x)), x);
  EXPECT_EQ(HashText(""), Mix64(0xcbf29ce484222325ULL));
  EXPECT_EQ(HashText("weft"), 0x48db2e6a6dd1b888ULL);
  EXPECT_EQ(PartitionOf(42, 4), 1u);
}

TEST(Hash, CombineDependsOnTheOrder) { EXPECT_NE(HashCombine(1, 2), HashCombine(2, 1)); }

TEST(Hash, PartitionsAreAllUsedEvenly) {
  int used[16] = {};
  for (uint64_t key = 0; key < 16'000; ++key) ++used[PartitionOf(key, 16)];
  for (int n : used) {
    EXPECT_GT(n, 850);
    EXPECT_LT(n, 1150);
  }
}

}  // namespace
}  // namespace weft
