#include "sql/span_class.h"

#include <gtest/gtest.h>

namespace weft::sql {
namespace {

// Stored numbers: a change here makes every existing store wrong.
static_assert(SpanClass(0, false) == 0);
static_assert(SpanClass(1'000'000, false) == 20);
static_assert(SpanClass(50'000'000, false) == 31);
static_assert(SpanClass(50'000'000, true) == 95);
static_assert(SpanClass(INT64_MAX, true) == 127);

TEST(SpanClass, AscendsWithTheDuration) {
  int last = -1;
  for (int64_t ns = 1; ns < int64_t{1} << 50; ns += 1 + ns / 7) {
    const int number = DurationClass(ns);
    EXPECT_GE(number, last) << ns;
    EXPECT_LT(number, kDurationClasses);
    last = number;
  }
  EXPECT_EQ(last, kDurationClasses - 1);
}

}  // namespace
}  // namespace weft::sql
