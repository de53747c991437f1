#include "engine/eval/load_change.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/eval/known_shop.h"

namespace weft::eval {
namespace {

KnownShop Requests(int n) {
  KnownShop shop;
  for (int i = 0; i < n; ++i) {
    const int32_t request = shop.Request(100 * i, 100 * i + 50);
    shop.Call(request, 100 * i + 10, 100 * i + 40);
  }
  return shop;
}

TEST(LoadChange, CompressionPullsTracesTogetherAndKeepsTheirTiming) {
  KnownShop shop = Requests(3);
  Compress(shop.known(), 4);
  EXPECT_EQ(shop.StartMs(0), 0);
  EXPECT_EQ(shop.StartMs(2), 25);
  EXPECT_EQ(shop.StartMs(3), 35);
  EXPECT_EQ(shop.EndMs(4), 100);
}

TEST(LoadChange, CallsOfALostRequestAreOrphans) {
  KnownShop shop = Requests(200);
  Lose(shop.known(), 0, 1, 1);
  ASSERT_EQ(shop.known().spans.size(), 200u);
  EXPECT_TRUE(std::ranges::all_of(
      shop.known().spans, [](const KnownSpan& s) { return s.call && s.orphan && s.parent == -1; }));
}

TEST(LoadChange, LosesAboutTheShareAndTheSameForTheSameSeed) {
  KnownShop one = Requests(2000), same = Requests(2000), other = Requests(2000);
  Lose(one.known(), 0.1, 0, 7);
  Lose(same.known(), 0.1, 0, 7);
  Lose(other.known(), 0.1, 0, 8);
  EXPECT_NEAR(static_cast<double>(one.known().calls()), 1800, 60);
  const auto starts = [](KnownShop& shop) {
    std::vector<int64_t> out;
    for (const KnownSpan& s : shop.known().spans) out.push_back(s.start_ns);
    return out;
  };
  EXPECT_EQ(starts(one), starts(same));
  EXPECT_NE(starts(one), starts(other));
}

TEST(LoadChange, ParentsPointToTheSameRequestsAfterALoss) {
  KnownShop shop = Requests(500);
  Lose(shop.known(), 0.3, 0.3, 3);
  for (const KnownSpan& s : shop.known().spans) {
    if (!s.call || s.parent < 0) continue;
    const KnownSpan& parent = shop.Of(s.parent);
    EXPECT_FALSE(parent.call);
    EXPECT_EQ(parent.trace, s.trace);
  }
}

TEST(LoadChange, NoiseMakesTimesLaterOnlyAndNeverEndsBeforeTheBegin) {
  KnownShop shop = Requests(300), before = Requests(300);
  AddNoise(shop.known(), 20 * kMillisecond, 5);
  int64_t sum = 0;
  for (size_t i = 0; i < shop.known().spans.size(); ++i) {
    const KnownSpan &now = shop.known().spans[i], &was = before.known().spans[i];
    EXPECT_GE(now.start_ns, was.start_ns);
    EXPECT_GE(now.end_ns, now.start_ns);
    sum += now.start_ns - was.start_ns;
  }
  // The mean of the absolute value of a normal variable is 0.8 of its deviation.
  EXPECT_NEAR(static_cast<double>(sum) / 600, 16e6, 2e6);
}

}  // namespace
}  // namespace weft::eval
