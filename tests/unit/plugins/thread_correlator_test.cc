#include "engine/api/span_table.h"
#include "tests/unit/plugins/plugin_fixture.h"
#include "tests/unit/plugins/window_builder.h"

namespace weft {
namespace {

using ThreadCorrelator = PluginFixture;

// Requests that overlap about `concurrency` times, each with two calls at moments that say nothing.
// thread_of(i) reads request i, caller_of(i) writes its calls.
template <class ThreadOf, class CallerOf>
WindowBuilder RandomMoments(int requests, int concurrency, ThreadOf thread_of, CallerOf caller_of) {
  WindowBuilder builder;
  for (int i = 0; i < requests; ++i) {
    const int64_t start = 10'000 * i / concurrency + builder.Between(0, 100);
    const int32_t request = builder.Request(start, thread_of(i));
    for (int call = 0; call < 2; ++call) {
      const int64_t at = start + builder.Between(10, 9'000);
      builder.Call(request, at, at + builder.Between(50, 500), caller_of(i));
    }
    builder.End(request, start + 10'000);
  }
  return builder;
}

TEST_F(ThreadCorrelator, FindsTheParentWithAThreadPerRequest) {
  auto builder = RandomMoments(
      400, 8, [](int i) { return 100u + static_cast<uint32_t>(i % 16); },
      [](int i) { return 100u + static_cast<uint32_t>(i % 16); });
  EXPECT_GT(builder.Accuracy(Chain({"context", "thread"})), 0.999);
}

TEST_F(ThreadCorrelator, SaysNothingBehindAWorkerPool) {
  auto builder = RandomMoments(
      2'000, 1, [](int) { return 7u; }, [](int i) { return 100u + static_cast<uint32_t>(i % 5); });
  const auto& thread = Correlator("thread");
  builder.Accuracy({&thread});  // learns: calls with one open request, none of its thread
  auto later = RandomMoments(
      50, 8, [](int) { return 7u; }, [](int i) { return i % 3 == 0 ? 7u : 100u; });
  // A chance equality must not count for more than 0.1: with equal voices the latest request wins,
  // which is what an empty chain answers.
  EXPECT_NEAR(later.Accuracy({&thread}), later.Accuracy({}), 0.03);
}

TEST_F(ThreadCorrelator, SaysNothingInAnEventLoop) {
  auto learn = RandomMoments(
      2'000, 2, [](int) { return 7u; }, [](int) { return 7u; });
  const auto& thread = Correlator("thread");
  learn.Accuracy({&thread});
  auto later = RandomMoments(
      200, 8, [](int) { return 7u; }, [](int) { return 7u; });
  EXPECT_NEAR(later.Accuracy({&thread}), later.Accuracy({}), 0.01);
}

TEST_F(ThreadCorrelator, DoesNotOverruleTimingWhereThreadsMislead) {
  // Workers read requests and hand them to the next worker: the thread always points at another
  // request, timing is clear. Chance decides the first windows; after them the chain has learned.
  WindowBuilder builder;
  for (int i = 0; i < 3'000; ++i) {
    const int64_t start = 2'500 * i + builder.Between(0, 1'000);
    const auto reader = 100u + static_cast<uint32_t>(i % 8);
    const auto worker = 100u + static_cast<uint32_t>((i + 7) % 8);
    const int32_t request = builder.Request(start, reader);
    const int64_t at = start + builder.About(1'000);
    builder.Call(request, at, at + builder.About(5'000), worker);
    builder.End(request, at + builder.About(6'000) + 100);
  }
  const double without = builder.Accuracy(Chain({"context", "delay"}), 2'000'000);
  const double with = builder.Accuracy(Chain({"context", "thread", "delay"}), 2'000'000);
  EXPECT_GT(without, 0.97);
  EXPECT_GT(with, without - 0.01);
}

TEST_F(ThreadCorrelator, LeavesRareCallsOfABackgroundThreadUnlinked) {
  WindowBuilder builder;
  for (int i = 0; i < 2'000; ++i) {
    const int64_t start = 8'000 * i + builder.Between(0, 6'000);
    const auto tid = 100u + static_cast<uint32_t>(i % 4);
    const int32_t request = builder.Request(start, tid);
    builder.Call(request, start + builder.Between(10, 9'000), start + 9'500, tid);
    builder.End(request, start + 10'000);
    if (i % 50 == 0) builder.Call(-1, start + 3'333, start + 3'400, 999);
  }
  EXPECT_GT(builder.Accuracy(Chain({"context", "thread"}), 4'000'000), 0.995);
}

TEST_F(ThreadCorrelator, KeepsWhatItLearnedOverSaveAndLoad) {
  auto learn = RandomMoments(
      2'000, 2, [](int) { return 7u; }, [](int) { return 7u; });
  const auto& first = Correlator("thread");
  learn.Accuracy({&first});
  std::string state;
  weft_buffer buffer{sizeof buffer, &state, [](void* ctx, weft_str bytes) {
                       static_cast<std::string*>(ctx)->append(bytes.data, bytes.size);
                       return int32_t{WEFT_OK};
                     }};
  weft_error error{};
  ASSERT_EQ(first.correlator().save(first.handle(), 1, &buffer, &error), WEFT_OK);
  ASSERT_LE(state.size(), 256u * 1024);
  const auto& second = Correlator("thread");
  ASSERT_EQ(second.correlator().load(second.handle(), 1, {state.data(), state.size()}, &error),
            WEFT_OK);
  auto later = RandomMoments(
      200, 8, [](int) { return 7u; }, [](int) { return 7u; });
  EXPECT_NEAR(later.Accuracy({&second}), later.Accuracy({}), 0.01);
  state.pop_back();
  EXPECT_EQ(second.correlator().load(second.handle(), 1, {state.data(), state.size()}, &error),
            WEFT_INVALID);
}

// A request and `calls` of it, shown to one correlator.
class OneRequest {
 public:
  explicit OneRequest(uint32_t calls) {
    table_.AddProcess(1, "host", "shop", "", 1);
    for (uint32_t i = 0; i <= calls; ++i) {
      const uint32_t row = table_.AddRow();
      table_.kind[row] = i == 0 ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
      table_.start_ns[row] = 1000 + row;
      table_.end_ns[row] = 9000;
      table_.request_tid[row] = 7;
      links_child_.push_back(i + 1);
    }
    links_parent_.assign(calls, 0);
    evidence_.assign(calls, 0);
    confidence_.assign(calls, 1);
    roles_.assign(table_.n(), WEFT_ROLE_DECIDE);
    view_ = table_.View();
    view_.spans_.role = roles_.data();
  }

  int32_t Correlate(const plugin::PluginInstance& by, uint32_t room) const {
    std::vector<uint32_t> child(room), candidate(room), evidence(room);
    std::vector<float> log_odds(room);
    weft_candidates io{sizeof io,
                       0,
                       room,
                       child.data(),
                       candidate.data(),
                       log_odds.data(),
                       evidence.data(),
                       nullptr,
                       [](weft_candidates*, uint32_t) { return int32_t{WEFT_FAILED}; }};
    weft_error error{};
    return by.correlator().correlate(by.handle(), &view_.spans(), &io, &error);
  }
  void Learn(const plugin::PluginInstance& by) const {
    const weft_links links{sizeof links,        static_cast<uint32_t>(links_parent_.size()),
                           links_child_.data(), links_parent_.data(),
                           confidence_.data(),  evidence_.data()};
    weft_error error{};
    EXPECT_EQ(by.correlator().learn(by.handle(), &view_.spans(), &links, &error), WEFT_OK);
  }

 private:
  api::SpanTable table_;
  std::vector<uint8_t> roles_;
  std::vector<uint32_t> links_child_, links_parent_, evidence_;
  std::vector<float> confidence_;
  api::SpanView view_;
};

std::string StateOf(const plugin::PluginInstance& of) {
  std::string state;
  weft_buffer buffer{sizeof buffer, &state, [](void* ctx, weft_str bytes) {
                       static_cast<std::string*>(ctx)->append(bytes.data, bytes.size);
                       return int32_t{WEFT_OK};
                     }};
  weft_error error{};
  EXPECT_EQ(of.correlator().save(of.handle(), 1, &buffer, &error), WEFT_OK);
  return state;
}

TEST_F(ThreadCorrelator, LearnsNothingFromAWindowThatItCouldNotSpeakOf) {
  const auto& thread = Correlator("thread");
  const OneRequest small(1), large(2'000);
  ASSERT_EQ(small.Correlate(thread, 16), WEFT_OK);
  ASSERT_EQ(large.Correlate(thread, 16), WEFT_FAILED);
  const std::string before = StateOf(thread);
  large.Learn(thread);
  small.Learn(thread);
  EXPECT_EQ(StateOf(thread), before);
  ASSERT_EQ(small.Correlate(thread, 16), WEFT_OK);
  large.Learn(thread);  // another window than the one it spoke of
  EXPECT_EQ(StateOf(thread), before);
  small.Learn(thread);
  EXPECT_NE(StateOf(thread), before);
}

}  // namespace
}  // namespace weft
