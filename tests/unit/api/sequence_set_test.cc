#include "engine/api/sequence_set.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace weft::api {
namespace {

TEST(SequenceSet, SaysTheSameAsASetOfAllNumbersButForWhatItForgot) {
  std::mt19937 random(5);
  SequenceSet some;
  std::set<uint64_t> all;
  uint64_t most = 0;
  int forgot = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t n = random() % 3 == 0 ? 1 + random() % (most + 8) : most + 1 + random() % 9;
    most = std::max(most, n);
    const bool full = some.gaps().size() == SequenceSet::kMaxGaps;
    const uint64_t lowest = full ? some.gaps().front().first : 0;
    EXPECT_EQ(some.Add(n), all.insert(n).second) << n;
    ASSERT_LE(some.gaps().size(), SequenceSet::kMaxGaps);
    if (!full) continue;
    for (uint64_t f = lowest; f < some.gaps().front().first; ++f) forgot += all.insert(f).second;
  }
  EXPECT_GT(forgot, 0);
  uint64_t missing = 0;
  for (const auto& [first, end] : some.gaps()) missing += end - first;
  EXPECT_EQ(some.end() - 1 - missing, all.size());
}

TEST(SequenceSet, ForgetsTheLowestGapWhereThereAreTooMany) {
  SequenceSet set;
  for (uint64_t n = 2; n <= 2 * SequenceSet::kMaxGaps + 2; n += 2) EXPECT_TRUE(set.Add(n));
  EXPECT_EQ(set.gaps().size(), SequenceSet::kMaxGaps);
  EXPECT_FALSE(set.Add(1));
  EXPECT_TRUE(set.Add(3));
}

TEST(SequenceSet, ForgetsTheLowestGapAlsoWhereOneIsSplit) {
  SequenceSet set;
  for (uint64_t n = 10; n <= 10 * SequenceSet::kMaxGaps; n += 10) EXPECT_TRUE(set.Add(n));
  EXPECT_EQ(set.gaps().size(), SequenceSet::kMaxGaps);
  EXPECT_TRUE(set.Add(25));
  EXPECT_EQ(set.gaps().size(), SequenceSet::kMaxGaps);
  EXPECT_EQ(set.gaps().front(), (SequenceSet::Gap{11, 20}));
  EXPECT_FALSE(set.Add(5));
}

}  // namespace
}  // namespace weft::api
