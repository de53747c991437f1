// What must not matter to the delay correlator, and what it must never do.
#include "tests/unit/plugins/plugin_fixture.h"
#include "tests/unit/plugins/window_builder.h"

namespace weft {
namespace {

using DelayProperties = PluginFixture;

WindowBuilder Load(uint64_t seed, double load) {
  WindowBuilder builder(seed);
  double at = 1'000'000;
  for (int i = 0; i < 1'200; ++i) {
    at += builder.Exponential(12'000 / load);
    int64_t now = static_cast<int64_t>(at);
    const int32_t request = builder.Request(now, 0, builder.Between(0, 1) == 0 ? 1 : 6);
    for (uint32_t peer = 2; peer < 4; ++peer) {
      const int64_t begin = now + builder.About(600);
      now = begin + builder.Between(300, 6'000);
      builder.Call(request, begin, now, 0, peer);
    }
    builder.End(request, now + builder.About(300));
  }
  return builder;
}

double ShareRight(const accuracy::Recording& recording,
                  const std::vector<const plugin::PluginInstance*>& chain) {
  const auto result = accuracy::Replay(recording, chain);
  EXPECT_TRUE(result) << result.error().message;
  double calls = 0, right = 0;
  for (size_t i = 0; i < recording.spans.size(); ++i) {
    if (!recording.spans[i].client) continue;
    calls += 1;
    right += result->parents[i] == recording.spans[i].parent ? 1 : 0;
  }
  return right / calls;
}

TEST_F(DelayProperties, NamesDoNotMatter) {
  const auto original = Load(1, 4).recording();
  auto renamed = original;
  for (std::string& name : renamed.names) name = "other " + name;
  const auto a = accuracy::Replay(original, Chain({"delay"}));
  const auto b = accuracy::Replay(renamed, Chain({"delay"}));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->parents, b->parents);
  EXPECT_EQ(a->confidence, b->confidence);
}

TEST_F(DelayProperties, TheTimeOfTheDayDoesNotMatter) {
  const auto original = Load(2, 4).recording();
  auto later = original;
  for (accuracy::Span& span : later.spans) {
    span.start_ns += 7'200 * kSecond;
    span.end_ns += 7'200 * kSecond;
  }
  const auto a = accuracy::Replay(original, Chain({"delay"}));
  const auto b = accuracy::Replay(later, Chain({"delay"}));
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->parents, b->parents);
  EXPECT_EQ(a->confidence, b->confidence);
}

TEST_F(DelayProperties, TheUnitOfTimeHardlyMatters) {
  // Windows stay half a second long, so it is not the same computation.
  const auto original = Load(6, 4).recording();
  const double share = ShareRight(original, Chain({"delay"}));
  for (const int64_t unit : {2, 8, 100}) {
    auto slower = original;
    for (accuracy::Span& span : slower.spans) {
      span.start_ns *= unit;
      span.end_ns *= unit;
    }
    EXPECT_NEAR(ShareRight(slower, Chain({"delay"})), share, 0.02) << unit;
  }
}

TEST_F(DelayProperties, HowManySpansHaveEqualTimesHardlyMatters) {
  // Clocks rounded to half a millisecond: many events at one instant, in an order that means
  // nothing. Spans are numbered the other way round, which is the order of equal times.
  auto recording = Load(3, 2).recording();
  for (accuracy::Span& span : recording.spans) {
    span.start_ns -= span.start_ns % (500 * kMicrosecond);
    span.end_ns -= span.end_ns % (500 * kMicrosecond);
  }
  auto reversed = recording;
  const auto n = static_cast<int32_t>(recording.spans.size());
  std::ranges::reverse(reversed.spans);
  for (accuracy::Span& span : reversed.spans)
    if (span.parent >= 0) span.parent = n - 1 - span.parent;
  EXPECT_NEAR(ShareRight(recording, Chain({"delay"})), ShareRight(reversed, Chain({"delay"})),
              0.02);
}

TEST_F(DelayProperties, AParentIsARequestOfTheSameProcessThatBeganBefore) {
  auto recording = Load(4, 8).recording();
  auto other = Load(5, 8).recording();
  const auto first = static_cast<int32_t>(recording.spans.size());
  recording.names.push_back("second");
  for (accuracy::Span span : other.spans) {
    span.service = static_cast<uint32_t>(recording.names.size() - 1);
    if (span.parent >= 0) span.parent += first;
    recording.spans.push_back(span);
  }
  const auto result = accuracy::Replay(recording, Chain({"delay"}));
  ASSERT_TRUE(result);
  for (size_t i = 0; i < recording.spans.size(); ++i) {
    if (result->parents[i] < 0) continue;
    const accuracy::Span& parent = recording.spans[static_cast<size_t>(result->parents[i])];
    EXPECT_TRUE(recording.spans[i].client && !parent.client);
    EXPECT_EQ(parent.service, recording.spans[i].service);
    EXPECT_LE(parent.start_ns, recording.spans[i].start_ns);
  }
}

}  // namespace
}  // namespace weft
