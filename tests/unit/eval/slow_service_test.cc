#include "engine/eval/slow_service.h"

#include <gtest/gtest.h>

#include "tests/unit/eval/known_shop.h"

namespace weft::eval {
namespace {

SlowService Slow(std::string_view text) { return *SlowService::Parse(text); }

// shop [0, 100] calls stock at 10; stock works 20 ms, and answers until 40.
struct OneTrace : KnownShop {
  explicit OneTrace(int64_t at = 0) : at_(at) {}
  const int64_t at_;
  int32_t request = Request(at_ + 0, at_ + 100), call = Call(request, at_ + 10, at_ + 40);
  int32_t at_stock = Request(at_ + 15, at_ + 35, call, 2);
};

TEST(SlowService, MultipliesTheServicesOwnTimeAndWhatWaitsForIt) {
  OneTrace shop;
  ASSERT_TRUE(SlowDown(shop.known(), Slow("stock:10@0s")));
  EXPECT_EQ(shop.StartMs(shop.at_stock), 15);
  EXPECT_EQ(shop.EndMs(shop.at_stock), 215);
  EXPECT_EQ(shop.StartMs(shop.call), 10);
  EXPECT_EQ(shop.EndMs(shop.call), 220);
  EXPECT_EQ(shop.EndMs(shop.request), 280);
}

TEST(SlowService, LeavesTheTimeOfOthersInsideIt) {
  OneTrace shop;
  ASSERT_TRUE(SlowDown(shop.known(), Slow("shop:10@0s")));
  EXPECT_EQ(shop.StartMs(shop.call), 100);
  EXPECT_EQ(shop.StartMs(shop.at_stock), 105);
  EXPECT_EQ(shop.EndMs(shop.at_stock), 125);
  EXPECT_EQ(shop.EndMs(shop.call), 130);
  EXPECT_EQ(shop.EndMs(shop.request), 730);
}

TEST(SlowService, ChangesNothingBeforeItsBeginNorAfterItsEnd) {
  KnownShop shop;
  for (int i = 0; i < 10; ++i) {
    const int32_t request = shop.Request(1000 * i, 1000 * i + 30);
    shop.Call(request, 1000 * i + 10, 1000 * i + 20);
  }
  const auto phases = SlowDown(shop.known(), Slow("shop:3@2500ms+4s"));
  ASSERT_TRUE(phases);
  for (int i = 0; i < 10; ++i) {
    const bool slow = i >= 3 && i <= 6;
    EXPECT_EQ(shop.EndMs(2 * i) - shop.StartMs(2 * i), slow ? 70 : 30) << i;
  }
  Parents parents(20, -1);
  for (int i = 3; i < 10; ++i) parents[static_cast<size_t>(2 * i + 1)] = 2 * i;
  const PhaseScores scores = ScorePhases(shop.known(), *phases, "shop", parents);
  EXPECT_EQ(scores.before.spans, 3u);
  EXPECT_DOUBLE_EQ(scores.before.span_accuracy, 0);
  EXPECT_EQ(scores.during.service_spans, 4u);
  EXPECT_DOUBLE_EQ(scores.during.service_span_accuracy, 1);
  EXPECT_EQ(scores.after.spans, 3u);
}

TEST(SlowService, MomentsMayBeSharesOfTheRecording) {
  const SlowService slow = Slow("a:b:1000@40%+10%");
  EXPECT_EQ(slow.service, "a:b");
  EXPECT_DOUBLE_EQ(slow.begin_share, 0.4);
  EXPECT_DOUBLE_EQ(slow.length_share, 0.1);
  EXPECT_EQ(Slow("cart:2@20s").begin_ns, 20 * kSecond);
}

TEST(SlowService, DrawsTheSameCaseForTheSameSeed) {
  OneTrace shop;
  EXPECT_TRUE(SlowService::Parse("random")->random);
  const SlowService one = SlowService::Draw(shop.known(), 1);
  const SlowService same = SlowService::Draw(shop.known(), 1);
  const SlowService other = SlowService::Draw(shop.known(), 2);
  EXPECT_EQ(one.service, "shop");  // the only one that makes calls
  EXPECT_EQ(one.factor, same.factor);
  EXPECT_NE(one.factor, other.factor);
  for (const SlowService& drawn : {one, other}) {
    EXPECT_GE(drawn.factor, 10);
    EXPECT_LE(drawn.factor, 1000);
    EXPECT_GE(drawn.begin_share, 0.2);
    EXPECT_LE(drawn.begin_share, 0.6);
  }
}

TEST(SlowService, RefusesWhatItCannotReadAndNamesTheServices) {
  for (const char* text : {"", "cart", "cart:2", "cart@2s", ":2@2s", "cart:x@2s", "cart:2@x",
                           "cart:0@1s", "cart:2@1s+", "cart:2@400%"})
    EXPECT_FALSE(SlowService::Parse(text)) << text;
  OneTrace shop;
  const auto unknown = SlowDown(shop.known(), Slow("cart:2@1s"));
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("shop, stock"), std::string::npos);
}

}  // namespace
}  // namespace weft::eval
