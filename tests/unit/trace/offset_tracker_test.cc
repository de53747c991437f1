#include "engine/trace/offset_tracker.h"

#include <gtest/gtest.h>

namespace weft::trace {
namespace {

TEST(OffsetTracker, HoldsAtTheOldestRecordWithAnUndecidedRow) {
  OffsetTracker offsets(10);
  EXPECT_EQ(offsets.Needed(), 10u);
  const uint64_t a = offsets.Add(10, 2);
  const uint64_t b = offsets.Add(14, 1);  // offsets have holes
  offsets.Done(b);
  EXPECT_EQ(offsets.Needed(), 10u);
  offsets.Done(a, 2);
  EXPECT_EQ(offsets.Needed(), 15u);
}

TEST(OffsetTracker, CountsRowsInFlightAsNeededButNotAsUndecided) {
  OffsetTracker offsets(0);
  const uint64_t a = offsets.Add(0, 1);
  const uint64_t b = offsets.Add(1, 1);
  offsets.Ship(a);
  EXPECT_EQ(offsets.Needed(), 0u);
  EXPECT_EQ(offsets.Undecided(), 1u);
  offsets.Ship(b);
  EXPECT_EQ(offsets.Undecided(), 2u);
  offsets.Acknowledge(b);
  EXPECT_EQ(offsets.Needed(), 0u);
  offsets.Acknowledge(a);
  EXPECT_EQ(offsets.Needed(), 2u);
}

TEST(OffsetTracker, PassesRecordsWithoutRows) {
  OffsetTracker offsets(3);
  offsets.Add(3, 0);
  offsets.Add(4, 0);
  EXPECT_EQ(offsets.Needed(), 5u);
  EXPECT_EQ(offsets.records(), 0u);
}

}  // namespace
}  // namespace weft::trace
