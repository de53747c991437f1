#include "engine/graph/shard.h"

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "engine/base/metrics.h"
#include "engine/graph/stage_loop.h"
#include "engine/transport/memory.h"

namespace weft::graph {
namespace {

using transport::MemoryTransport;
using transport::Record;
using transport::Stage;
using transport::Transaction;

class CountingShard final : public Shard {
 public:
  CountingShard(MemoryTransport& t, uint32_t p, Metrics& m, Stage stage = Stage::kTrace)
      : Shard(t, std::move(t.Own(stage, p).value()), {1 << 20, kMillisecond}, m) {}
  std::atomic<int> steps = 0;
  std::atomic<size_t> seen = 0;
  bool ended = false;
  bool throws = false;
  bool wants = true;
  std::atomic<int> end_after = -1;

 private:
  Transaction Step(const std::vector<Record>& records, int64_t, bool) override {
    if (throws) throw std::runtime_error("boom");
    ++steps;
    ended = input_ended();
    seen += records.size();
    Transaction t;
    if (!records.empty()) t.commit_offset = records.back().offset + 1;
    return t;
  }
  bool WantsInput() override { return wants; }
  bool Ended() const override { return end_after >= 0 && steps >= end_after; }
};

class ShardTest : public testing::Test {
 protected:
  SystemClock clock_;
  Metrics metrics_;
  MemoryTransport transport_{{.partitions = 4}, clock_, metrics_};
};

TEST_F(ShardTest, TurnsUntilItHasEnded) {
  std::vector<std::unique_ptr<CountingShard>> shards;
  for (uint32_t p = 0; p < 4; ++p) {
    shards.push_back(std::make_unique<CountingShard>(transport_, p, metrics_));
    shards.back()->end_after = 20;
  }
  Workers workers(2);
  StageLoop loop(workers);
  std::vector<std::unique_ptr<StageLoop::Turns>> turns;
  for (const auto& shard : shards)
    turns.push_back(loop.Add([&shard]() -> Shard* { return shard.get(); }));
  for (const auto& one : turns) one->Wait();
  for (const auto& shard : shards) EXPECT_EQ(shard->steps, 20);
}

TEST_F(ShardTest, InputHasNotEndedWhereFinishCameAfterTheRead) {
  CountingShard shard(transport_, 0, metrics_);
  ASSERT_TRUE(shard.Exchange());
  shard.Finish();  // what was appended in between has not been read
  shard.Compute();
  EXPECT_FALSE(shard.ended);
  ASSERT_TRUE(shard.Exchange());
  shard.Compute();
  EXPECT_TRUE(shard.ended);
}

TEST_F(ShardTest, BusyStageDoesNotStarveTheOther) {
  CountingShard busy(transport_, 0, metrics_), other(transport_, 1, metrics_);
  busy.Finish();  // short waits
  other.end_after = 20;
  Workers workers(1);
  StageLoop first(workers), second(workers);
  const auto first_turns = first.Add([&] { return &busy; });
  const auto second_turns = second.Add([&] { return &other; });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (other.steps < 20 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(other.steps, 20);
  busy.End();
  first_turns->Wait();
  second_turns->Wait();
}

TEST_F(ShardTest, KeepsAnExceptionAsItsFailureAndEnds) {
  CountingShard shard(transport_, 1, metrics_);
  shard.throws = true;
  Workers workers(1);
  StageLoop loop(workers);
  loop.Add([&] { return &shard; })->Wait();
  ASSERT_TRUE(shard.failure());
  EXPECT_EQ(shard.failure()->message, "trace partition 1: exception: boom");
}

TEST(ShardLag, GrowsWhileTheInputIsHeld) {
  ManualClock clock{1000 * kSecond};
  Metrics metrics;
  MemoryTransport transport({.partitions = 1, .blocking = false}, clock, metrics);
  ASSERT_TRUE(transport.Publish({.payload = std::make_shared<api::Payload>(8)}, 0));
  CountingShard shard(transport, 0, metrics, Stage::kStitch);
  const auto lag = [&] {
    shard.Exchange();
    shard.Compute();
    for (const auto& [name, value] : metrics.Gauges())
      if (name == "stage.lag_ns{stage=stitch,partition=0}") return value;
    return UINT64_MAX;
  };
  EXPECT_EQ(lag(), 0u);
  shard.wants = false;
  clock.Advance(3 * kSecond);
  EXPECT_EQ(lag(), uint64_t{3 * kSecond});
  shard.wants = true;
  clock.Advance(kSecond);
  EXPECT_EQ(lag(), 0u);
}

// An offset alone waits for a step that has something to say, or for half a second.
TEST(ShardOffset, AloneGoesWithTheNextTransactionAndIsNotForgottenAtTheEnd) {
  ManualClock clock{1000 * kSecond};
  Metrics metrics;
  MemoryTransport transport({.partitions = 1, .blocking = false}, clock, metrics);
  auto shard = std::make_unique<CountingShard>(transport, 0, metrics, Stage::kStitch);
  const auto turn = [&] {
    ASSERT_TRUE(transport.Publish({.payload = std::make_shared<api::Payload>(8)}, 0));
    ASSERT_TRUE(shard->Exchange());
    shard->Compute();
  };
  const auto commits = [&] {
    for (const auto& [name, values] : metrics.Histograms())
      if (name == "stage.commit_ns{stage=stitch}")
        return std::reduce(values.count.begin(), values.count.end());
    return uint64_t{0};
  };
  turn();
  turn();
  EXPECT_EQ(commits(), 1u);
  turn();
  EXPECT_EQ(commits(), 1u);
  clock.Advance(kSecond);
  turn();
  EXPECT_EQ(commits(), 2u) << "it has waited long enough";
  shard->End();
  EXPECT_FALSE(shard->Exchange());
  EXPECT_EQ(commits(), 3u);
  shard.reset();
  EXPECT_EQ((*transport.Own(Stage::kStitch, 0))->start_offset(), 4u);
}

TEST_F(ShardTest, EndsWhenAnotherOwnerHasTakenThePartition) {
  CountingShard shard(transport_, 2, metrics_);
  auto other = transport_.Own(Stage::kTrace, 2);
  Workers workers(1);
  StageLoop loop(workers);
  loop.Add([&] { return &shard; })->Wait();
  ASSERT_TRUE(shard.failure());
  EXPECT_EQ(shard.failure()->code, Code::kFenced);
}

}  // namespace
}  // namespace weft::graph
