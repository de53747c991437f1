#include "engine/base/nearest_word.h"

#include <string>

#include <gtest/gtest.h>

namespace weft {
namespace {

constexpr std::string_view kWords[] = {"window", "look_ahead", "min_confidence", "path"};

TEST(NearestWord, FindsSlips) {
  EXPECT_EQ(NearestWord("widnow", kWords), "window");
  EXPECT_EQ(NearestWord("lookahead", kWords), "look_ahead");
  EXPECT_EQ(NearestWord("min_confidance", kWords), "min_confidence");
  EXPECT_EQ(NearestWord("pth", kWords), "path");
}

TEST(NearestWord, SaysNothingWhenNothingIsNear) {
  EXPECT_EQ(NearestWord("partitions", kWords), "");
  EXPECT_EQ(NearestWord("x", kWords), "");
  EXPECT_EQ(NearestWord("", kWords), "");
  EXPECT_EQ(NearestWord(std::string(100'000, 'w'), kWords), "");
}

}  // namespace
}  // namespace weft
