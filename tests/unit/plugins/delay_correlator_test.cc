#include "tests/unit/plugins/plugin_fixture.h"
#include "tests/unit/plugins/window_builder.h"

namespace weft {
namespace {

using DelayCorrelator = PluginFixture;

std::string SavedState(const plugin::PluginInstance& instance, uint64_t process) {
  std::string state;
  weft_buffer buffer{sizeof buffer, &state, [](void* ctx, weft_str bytes) {
                       static_cast<std::string*>(ctx)->append(bytes.data, bytes.size);
                       return int32_t{WEFT_OK};
                     }};
  weft_error error{};
  EXPECT_EQ(instance.correlator().save(instance.handle(), process, &buffer, &error), WEFT_OK);
  return state;
}

int32_t Load(const plugin::PluginInstance& instance, uint64_t process, const std::string& state) {
  weft_error error{};
  return instance.correlator().load(instance.handle(), process, {state.data(), state.size()},
                                    &error);
}

// Requests at random moments, `load` of them at once on average; each calls after a steady delay.
WindowBuilder SteadyDelays(int requests, double load, uint64_t seed = 1) {
  WindowBuilder builder(seed);
  double at = 0;
  for (int i = 0; i < requests; ++i) {
    at += builder.Exponential(8'000 / load);
    const auto start = static_cast<int64_t>(at);
    const int32_t request = builder.Request(start, 0);
    const int64_t call = start + builder.About(1'000);
    const int64_t answer = call + builder.Between(500, 8'000);
    builder.Call(request, call, answer, 0);
    builder.End(request, answer + builder.About(2'000));
  }
  return builder;
}

TEST_F(DelayCorrelator, FollowsSteadyDelaysThroughOverlap) {
  EXPECT_GT(SteadyDelays(2'000, 2).Accuracy(Chain({"delay"})), 0.93);
}

TEST_F(DelayCorrelator, DecidesTheFirstWindowsByWhatTheyHaveInCommon) {
  EXPECT_GT(SteadyDelays(60, 2).Accuracy(Chain({"delay"})), 0.85);
}

TEST_F(DelayCorrelator, TellsSequentialRepeatedCallsApart) {
  WindowBuilder builder;
  for (int i = 0; i < 1'000; ++i) {
    int64_t at = 6'000 * i + builder.Between(0, 4'000);
    const int32_t request = builder.Request(at, 0);
    for (int call = 0; call < 4; ++call) {
      const int64_t start = at + builder.About(300);
      at = start + builder.Between(500, 4'000);
      builder.Call(request, start, at, 0);
    }
    builder.End(request, at + builder.About(400));
  }
  EXPECT_GT(builder.Accuracy(Chain({"delay"})), 0.93);
}

TEST_F(DelayCorrelator, FollowsAParallelFanOut) {
  WindowBuilder builder;
  for (int i = 0; i < 1'000; ++i) {
    const int64_t start = 5'000 * i + builder.Between(0, 3'000);
    const int32_t request = builder.Request(start, 0);
    int64_t last = 0;
    for (const uint32_t peer : {2u, 3u, 4u}) {
      const int64_t call = start + builder.About(800) + builder.Between(0, 100);
      const int64_t end = call + builder.Between(1'000, 9'000);
      builder.Call(request, call, end, 0, peer);
      last = std::max(last, end);
    }
    builder.End(request, last + builder.About(200));
  }
  EXPECT_GT(builder.Accuracy(Chain({"delay"})), 0.93);
}

TEST_F(DelayCorrelator, LearnsThatAnEventLoopServesInOrder) {
  // One loop: requests wait in a queue for a time that varies widely, but never overtake.
  WindowBuilder builder;
  int64_t loop = 0;
  for (int i = 0; i < 3'000; ++i) {
    const int64_t start = 3'000 * i + builder.Between(0, 2'000);
    const int32_t request = builder.Request(start, 7);
    loop = std::max(loop + builder.Between(50, 200), start + builder.Between(100, 9'000));
    builder.Call(request, loop, loop + 500, 7);
    builder.End(request, loop + 600);
  }
  const double latest = builder.Accuracy({}, 2'000'000);
  const double learned = builder.Accuracy(Chain({"delay"}), 2'000'000);
  EXPECT_GT(learned, 0.9);
  EXPECT_GT(learned, latest + 0.1);
}

TEST_F(DelayCorrelator, FindsTheCallerByWhoEndsAfterTheAnswer) {
  // Twenty requests at once sleep for any time; when the call is begun nothing tells them apart.
  WindowBuilder builder;
  for (int i = 0; i < 3'000; ++i) {
    const int64_t start = 500 * i;
    const int32_t request = builder.Request(start, 0);
    const int64_t call = start + builder.Between(1'000, 19'000);
    const int64_t answer = call + builder.Between(200, 3'000);
    builder.Call(request, call, answer, 0);
    builder.End(request, answer + builder.About(20));
  }
  EXPECT_GT(builder.Accuracy(Chain({"delay"}), 500'000), 0.95);
}

TEST_F(DelayCorrelator, OneQueueServesRequestsOfSeveralKinds) {
  WindowBuilder builder;
  int64_t loop = 0;
  for (int i = 0; i < 3'000; ++i) {
    const int64_t start = 3'000 * i + builder.Between(0, 2'000);
    const int32_t request = builder.Request(start, 7, i % 2 == 0 ? 1 : 6);
    loop = std::max(loop + builder.Between(50, 200), start + builder.Between(100, 9'000));
    builder.Call(request, loop, loop + 500, 7);
    builder.End(request, loop + 500 + builder.Between(100, 5'000));
  }
  EXPECT_GT(builder.Accuracy(Chain({"delay"}), 2'000'000), 0.9);
}

TEST_F(DelayCorrelator, DoubtsAboutSeveralCallsDoNotEndInAnAnswerThatNobodyBelieves) {
  WindowBuilder builder;
  for (int i = 0; i < 400; ++i)
    for (int k = 0; k < 5; ++k) {
      const int64_t start = 20'000 * i + builder.Between(0, 200);
      const int32_t request = builder.Request(start, 0);
      const int64_t call = start + builder.Between(500, 1'500);
      const int64_t answer = call + builder.Between(2'000, 3'000);
      builder.Call(request, call, answer, 0);
      builder.End(request, answer + builder.Between(500, 1'500));
    }
  const auto replayed = accuracy::Replay(builder.recording(), Chain({"delay"}));
  ASSERT_TRUE(replayed) << replayed.error().message;
  std::vector<int> calls(builder.recording().spans.size());
  for (const int32_t parent : replayed->parents)
    if (parent >= 0) ++calls[static_cast<size_t>(parent)];
  // Who made which is a guess, but each made one.
  EXPECT_LT(std::ranges::count_if(calls, [](int n) { return n > 1; }), 20);
}

// Requests of three calls, one after the other; one in ten requests was lost.
WindowBuilder LostRequests() {
  WindowBuilder builder;
  double begin = 0;
  for (int i = 0; i < 1'500; ++i) {
    begin += builder.Exponential(6'000);
    auto at = static_cast<int64_t>(begin);
    const int32_t request = i % 10 == 7 ? -1 : builder.Request(at, 0);
    for (const uint32_t peer : {2u, 3u, 4u}) {
      const int64_t call = at + builder.About(300);
      at = call + builder.Between(1'000, 8'000);
      builder.Call(request, call, at, 0, peer);
    }
    if (request >= 0) builder.End(request, at + builder.About(300));
  }
  return builder;
}

TEST_F(DelayCorrelator, ALostRequestsCallsStayTogetherAndUnlinked) {
  auto builder = LostRequests();
  const auto replayed = accuracy::Replay(builder.recording(), Chain({"delay"}));
  ASSERT_TRUE(replayed) << replayed.error().message;
  double orphans = 0, unlinked = 0, calls = 0, right = 0;
  for (size_t i = 0; i < builder.recording().spans.size(); ++i) {
    const accuracy::Span& span = builder.recording().spans[i];
    if (!span.client) continue;
    const bool found = replayed->parents[i] == span.parent;
    (span.parent < 0 ? orphans : calls) += 1;
    (span.parent < 0 ? unlinked : right) += found ? 1 : 0;
  }
  EXPECT_GT(unlinked / orphans, 0.8);
  EXPECT_GT(right / calls, 0.95);
}

TEST_F(DelayCorrelator, SaysOnlyWhereOneRequestIsOpen) {
  auto builder = SteadyDelays(300, 0.05);
  EXPECT_EQ(builder.Accuracy(Chain({"delay"})), 1.0);
}

TEST_F(DelayCorrelator, GoesOnFromSavedStateWithoutAColdStart) {
  auto learn = SteadyDelays(2'000, 2);
  const auto& first = Correlator("delay");
  learn.Accuracy({&first});
  const std::string state = SavedState(first, 1);
  EXPECT_GT(state.size(), 1'000u);
  EXPECT_LE(state.size(), 256u * 1024);
  const auto& second = Correlator("delay");
  ASSERT_EQ(Load(second, 1, state), WEFT_OK);
  EXPECT_EQ(SavedState(second, 1).size(), state.size());
  metrics_.Get("plugin.delay.cold_windows").Set(0);
  EXPECT_GT(SteadyDelays(200, 2, 2).Accuracy({&second}), 0.93);
  EXPECT_EQ(metrics_.Get("plugin.delay.cold_windows").Get(), 0u);
}

TEST_F(DelayCorrelator, RefusesStatesThatAreCutBentOrForeign) {
  auto learn = SteadyDelays(300, 1);
  const auto& first = Correlator("delay");
  learn.Accuracy({&first});
  const std::string state = SavedState(first, 1);
  const auto& second = Correlator("delay");
  EXPECT_EQ(Load(second, 1, "not a state"), WEFT_INVALID);
  for (size_t cut = 1; cut < state.size(); cut += 7) {
    EXPECT_EQ(Load(second, 1, state.substr(0, cut)), WEFT_INVALID) << cut;
  }
  for (size_t flip = 0; flip < state.size(); flip += 11) {
    std::string bent = state;
    bent[flip] = static_cast<char>(bent[flip] ^ 0x55);
    EXPECT_EQ(Load(second, 1, bent), WEFT_INVALID) << flip;
  }
}

TEST_F(DelayCorrelator, GivesTheSameAnswersInEveryRun) {
  auto builder = SteadyDelays(500, 4);
  const auto one = accuracy::Replay(builder.recording(), Chain({"delay"}));
  const auto two = accuracy::Replay(builder.recording(), Chain({"delay"}));
  EXPECT_EQ(one->parents, two->parents);
  EXPECT_EQ(one->confidence, two->confidence);
}

}  // namespace
}  // namespace weft
