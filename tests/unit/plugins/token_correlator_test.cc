#include <gtest/gtest.h>

#include "tests/unit/plugins/plugin_fixture.h"
#include "tests/unit/plugins/window_builder.h"

namespace weft {
namespace {

using TokenCorrelator = PluginFixture;

uint32_t Asked(int64_t value) { return static_cast<uint32_t>(value) << 1; }
uint32_t Answered(int64_t value) { return Asked(value) | 1; }

// What ShopOf puts where.
struct Values {
  bool in_request = false;   // the request's id is in the call
  bool in_response = false;  // the call's own value is in the request's answer
  bool in_answer = false;    // of the first call: its value is in the second
  bool unrelated = false;    // ids everywhere, but of nothing
  bool common = false;       // everything has the same value
};

// An event loop: a request every 4 ms lasts 40 ms and makes two calls whenever it likes, so that
// timing and threads say next to nothing. Ids are of a hundred.
WindowBuilder ShopOf(const Values& values, int requests = 1500) {
  WindowBuilder builder(7);
  for (int i = 0; i < requests; ++i) {
    const int64_t start = i * 4000 + builder.Between(0, 1000), end = start + 40'000;
    const int32_t request = builder.Request(start, 1);
    builder.End(request, end);
    const int64_t id = 1000 + builder.Between(0, 99), other = 2000 + builder.Between(0, 99);
    const int64_t first_start = start + builder.Between(500, 15'000);
    const int64_t second_start = start + builder.Between(20'000, 35'000);
    const int32_t first = builder.Call(request, first_start, first_start + 3000, 1);
    const int32_t second = builder.Call(request, second_start, second_start + 3000, 1, 4);
    std::vector<uint32_t>& r = builder.Of(request).tokens;
    std::vector<uint32_t>& a = builder.Of(first).tokens;
    std::vector<uint32_t>& b = builder.Of(second).tokens;
    if (values.common) r.push_back(Asked(5)), a.push_back(Asked(5)), b.push_back(Asked(5));
    if (values.in_request) r.push_back(Asked(id)), a.push_back(Asked(id)), b.push_back(Asked(id));
    if (values.in_response) {
      for (const int64_t v : {other, other + 500}) r.push_back(Answered(v));
      a.push_back(Asked(other));
      b.push_back(Answered(other + 500));
    }
    if (values.in_answer) {
      r.push_back(Asked(id)), a.push_back(Asked(id));
      a.push_back(Answered(other)), b.push_back(Asked(other));
    }
    if (values.unrelated) {
      r.push_back(Asked(id));
      for (auto* call : {&a, &b}) call->push_back(Asked(1000 + builder.Between(0, 99)));
    }
  }
  return builder;
}

TEST_F(TokenCorrelator, LinksCallsToTheRequestThatHasTheirValue) {
  WindowBuilder shop = ShopOf({.in_request = true});
  EXPECT_LT(shop.Accuracy(Chain({"delay"})), 0.6);
  EXPECT_GT(shop.Accuracy(Chain({"token"}), 500'000), 0.93);
  EXPECT_GT(shop.Accuracy(Chain({"token", "delay"}), 500'000), 0.95);
}

TEST_F(TokenCorrelator, LinksCallsWhoseValueIsInTheAnswerThatTheyLeadTo) {
  EXPECT_GT(ShopOf({.in_response = true}).Accuracy(Chain({"token"}), 500'000), 0.9);
}

TEST_F(TokenCorrelator, LinksCallsWhoseValueCameFromAnEarlierCall) {
  EXPECT_GT(ShopOf({.in_answer = true}).Accuracy(Chain({"token"}), 1'000'000), 0.85);
}

TEST_F(TokenCorrelator, IsNotMisledByCoincidences) {
  WindowBuilder shop = ShopOf({.unrelated = true});
  EXPECT_GE(shop.Accuracy(Chain({"token", "delay"}), 2'000'000),
            shop.Accuracy(Chain({"delay"}), 2'000'000) - 0.03);
}

TEST_F(TokenCorrelator, SaysNothingAboutValuesThatAllHave) {
  WindowBuilder shop = ShopOf({.common = true});
  EXPECT_NEAR(shop.Accuracy(Chain({"token", "delay"}), 1'000'000),
              shop.Accuracy(Chain({"delay"}), 1'000'000), 0.02);
}

TEST_F(TokenCorrelator, SaysNothingWithoutTokens) {
  WindowBuilder shop = ShopOf({}, 300);
  EXPECT_EQ(shop.Accuracy(Chain({"token", "delay"})), shop.Accuracy(Chain({"delay"})));
}

// The values of one call in four were beyond what was captured: it still has a parent.
TEST_F(TokenCorrelator, LeavesNoCallUnlinkedBecauseNobodyHasItsValue) {
  WindowBuilder shop = ShopOf({.in_request = true});
  for (size_t i = 0; i < shop.recording().spans.size(); i += 12)
    shop.Of(static_cast<int32_t>(i + 1)).tokens = {Asked(700'000 + static_cast<int64_t>(i))};
  const auto result = accuracy::Replay(shop.recording(), Chain({"token"}));
  ASSERT_TRUE(result) << result.error().message;
  for (size_t i = 0; i < shop.recording().spans.size(); ++i) {
    if (shop.recording().spans[i].client) {
      EXPECT_GE(result->parents[i], 0) << i;
    }
  }
}

}  // namespace
}  // namespace weft
