#include "engine/cli/followed_rows.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(FollowedRows, WithoutAFilterEachRowIsDueOnce) {
  FollowedRows rows(false);
  EXPECT_EQ(rows.Look(0, 1, 5), std::nullopt);  // was there before
  EXPECT_EQ(rows.Look(kSecond, 2, 5), std::nullopt);
  EXPECT_EQ(rows.Look(2 * kSecond, 3, 8), 5);
  EXPECT_TRUE(rows.Show(6));
  EXPECT_EQ(rows.Look(3 * kSecond, 4, 9), 8);
}

TEST(FollowedRows, ATraceThatComesToFitLaterIsShownOnce) {
  FollowedRows rows(true);
  EXPECT_EQ(rows.Look(0, 1, 5), std::nullopt);
  EXPECT_EQ(rows.Look(kSecond, 2, 8), 5);
  EXPECT_TRUE(rows.Show(7));
  EXPECT_EQ(rows.Look(2 * kSecond, 2, 8), std::nullopt);  // nobody has written
  EXPECT_EQ(rows.Look(3 * kSecond, 3, 8), 5);             // no new row, but row 6 has new spans
  EXPECT_FALSE(rows.Show(7));
  EXPECT_TRUE(rows.Show(6));
}

TEST(FollowedRows, WhatIsOldIsNotAskedForAgain) {
  FollowedRows rows(true);
  EXPECT_EQ(rows.Look(0, 1, 5), std::nullopt);
  EXPECT_EQ(rows.Look(kSecond, 2, 8), 5);
  EXPECT_EQ(rows.Look(2 * kSecond + FollowedRows::kAgainNs, 3, 8), std::nullopt);
  EXPECT_EQ(rows.Look(3 * kSecond + FollowedRows::kAgainNs, 4, 9), 8);
}

}  // namespace
}  // namespace weft::cli
