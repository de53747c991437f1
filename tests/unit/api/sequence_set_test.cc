#include "engine/api/sequence_set.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

namespace weft::api {
namespace {

TEST(SequenceSet, SaysTheSameAsASetOfAllNumbers) {
  std::mt19937 random(5);
  SequenceSet some;
  std::set<uint64_t> all;
  uint64_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t n = random() % 3 == 0 ? 1 + random() % (most + 8) : most + 1;
    most = std::max(most, n);
    if (some.gaps().size() == SequenceSet::kMaxGaps) break;
    EXPECT_EQ(some.Add(n), all.insert(n).second) << n;
  }
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

}  // namespace
}  // namespace weft::api
