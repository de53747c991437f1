#include "engine/base/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft {
namespace {

using testing::HasSubstr;

TEST(Units, ReadsDurationsWithEveryUnit) {
  EXPECT_EQ(ParseDuration("50ms").value(), 50'000'000);
  EXPECT_EQ(ParseDuration("5m").value(), 300'000'000'000);
  EXPECT_EQ(ParseDuration("24h").value(), 86'400'000'000'000);
  EXPECT_EQ(ParseDuration("1.5s").value(), 1'500'000'000);
  EXPECT_EQ(ParseDuration("2d").value(), 172'800'000'000'000);
  EXPECT_EQ(ParseDuration("7us").value(), 7'000);
  EXPECT_EQ(ParseDuration("9 ns").value(), 9);
  EXPECT_EQ(ParseDuration("0").value(), 0);
}

TEST(Units, RefusesDurationsWithoutUnitSignOrSense) {
  for (const char* bad :
       {"", "50", "ms", "-5s", "5x", "1e300s", "inf", "nan", "5 m s", "999999999d"})
    EXPECT_FALSE(ParseDuration(bad).has_value()) << bad;
  EXPECT_THAT(ParseDuration("50").error().message, HasSubstr("unit is missing"));
}

TEST(Units, ReadsSizesInPowersOf1000And1024) {
  EXPECT_EQ(ParseSize("64MB").value(), 64'000'000u);
  EXPECT_EQ(ParseSize("5GB").value(), 5'000'000'000u);
  EXPECT_EQ(ParseSize("1KiB").value(), 1024u);
  EXPECT_EQ(ParseSize("1048576").value(), 1'048'576u);
}

TEST(Units, ExactSpellingsParseBack) {
  for (int64_t ns :
       {1LL, 999LL, 1'000LL, 50'000'000LL, 90'000'000'000LL, 86'400'000'000'000LL, 0LL})
    EXPECT_EQ(ParseDuration(FormatDuration(ns)).value(), ns);
  for (uint64_t bytes : {0ULL, 1ULL, 1024ULL, 5'000'000'000ULL, 123'457ULL})
    EXPECT_EQ(ParseSize(FormatSize(bytes)).value(), bytes);
  EXPECT_EQ(FormatDuration(90'000'000'000), "90s");
  EXPECT_EQ(FormatSize(5'000'000'000), "5GB");
}

TEST(Units, ShortSpellingsHaveThreeDigits) {
  EXPECT_EQ(ShortDuration(1'284'000'000), "1.28s");
  EXPECT_EQ(ShortDuration(340'000'000), "340ms");
  EXPECT_EQ(ShortDuration(2'000), "2us");
  EXPECT_EQ(ShortSize(1'234'000'000), "1.23GB");
}

}  // namespace
}  // namespace weft
