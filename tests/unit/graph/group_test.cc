// Members of a group in one process: partitions are moved between engines under load.
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "engine/graph/engine.h"
#include "engine/transport/memory.h"
#include "sources/publisher.h"
#include "tests/support/calling_trace.h"
#include "tests/support/moving_group.h"

namespace weft::graph {
namespace {

using transport::MemoryTransport;
using transport::Stage;

struct Seen {
  uint64_t parent = 0, trace_hi = 0, trace_lo = 0;
  uint32_t times = 0;
  bool changed = false;
};

// Of all members together.
struct Store {
  std::mutex mutex;
  std::map<uint64_t, Seen> spans;  // by exchange
  std::atomic<bool> refuse = false;

  size_t size() {
    std::lock_guard lock(mutex);
    return spans.size();
  }
};

int32_t Export(void* instance, const weft_spans* s, const weft_traces*, const weft_source*,
               weft_error*) {
  auto* store = static_cast<Store*>(instance);
  if (store->refuse) return WEFT_EXPORT_RETRY;
  std::lock_guard lock(store->mutex);
  for (uint32_t i = 0; i < s->n; ++i) {
    if ((s->flags[i] & WEFT_FLAG_OPEN) != 0) continue;
    Seen& seen = store->spans[s->exchange[i]];
    const Seen now{s->parent_id[i], s->trace_hi[i], s->trace_lo[i]};
    seen.changed |= seen.times > 0 && (seen.parent != now.parent || seen.trace_lo != now.trace_lo);
    seen.parent = now.parent;
    seen.trace_hi = now.trace_hi;
    seen.trace_lo = now.trace_lo;
    ++seen.times;
  }
  return WEFT_EXPORT_OK;
}
const weft_exporter kStore{sizeof(weft_exporter), Export, nullptr, nullptr, nullptr};

class GroupTest : public testing::Test {
 protected:
  static constexpr uint32_t kPartitions = 4;

  struct Member {
    Metrics metrics;  // of this member alone, as of a process
    std::unique_ptr<transport::Transport> transport;
    std::unique_ptr<Engine> engine;
  };

  Member& AddMember(EngineConfig config = {}) {
    members_.push_back(std::make_unique<Member>());
    Member& member = *members_.back();
    member.transport = group_.AddMember(static_cast<uint32_t>(members_.size() - 1));
    EnginePlugins plugins;
    plugins.make = [this](Stage, uint32_t) {
      ++made_;
      struct Counted final : ShardResources {
        explicit Counted(std::atomic<int>& c) : count(c) { ++count; }
        ~Counted() override { --count; }
        std::atomic<int>& count;
      };
      ShardPlugins shard;
      shard.instances = std::make_unique<Counted>(instances_);
      return shard;
    };
    plugins.exporters = {{"store", &kStore, &store_}};
    auto engine =
        Engine::Start(config, std::move(plugins), *member.transport, clock_, member.metrics, *log_);
    EXPECT_TRUE(engine);
    member.engine = std::move(*engine);
    return member;
  }
  void MoveAll(uint32_t to) {
    for (uint32_t p = 0; p < kPartitions; ++p)
      for (Stage stage : {Stage::kStitch, Stage::kTrace}) group_.Move(stage, p, to);
  }
  // A request that calls another process of the same host, which serves it; one after the other, so
  // that each call has one possible parent.
  void AddTrace(sources::Publisher& agent, uint64_t n) {
    while (clock_.MonotonicNs() - last_ns_ < 20'000) {
    }
    last_ns_ = clock_.MonotonicNs();
    test::AddCallingTrace(agent, n, last_ns_);
  }
  // Some traces, at the pace of time; `meanwhile` is called every 20 ms.
  template <typename Meanwhile>
  void Load(sources::Publisher& agent, int64_t length_ns, Meanwhile meanwhile) {
    const int64_t end = clock_.MonotonicNs() + length_ns;
    while (clock_.MonotonicNs() < end) {
      for (int i = 0; i < 20; ++i) AddTrace(agent, ++traces_);
      agent.Tick(clock_.MonotonicNs());
      meanwhile();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  // What the ids say, whoever computed them.
  void ExpectEverySpanRight(uint32_t most_times) {
    std::lock_guard lock(store_.mutex);
    ASSERT_EQ(store_.spans.size(), 3 * traces_);
    uint64_t wrong = 0, repeated = 0;
    for (uint64_t n = 1; n <= traces_; ++n) {
      const uint64_t root = api::SpanId(Mix64(n), api::Side::kServer);
      const uint64_t call = api::SpanId(Mix64(n) + 1, api::Side::kClient);
      const std::pair<uint64_t, uint64_t> expected[] = {
          {api::ExchangeKey(Mix64(n), 0, api::Side::kServer), 0},
          {api::ExchangeKey(Mix64(n) + 1, 0, api::Side::kClient), root},
          {api::ExchangeKey(Mix64(n) + 1, 0, api::Side::kServer), call}};
      for (const auto& [exchange, parent] : expected) {
        const auto it = store_.spans.find(exchange);
        ASSERT_NE(it, store_.spans.end());
        const Seen& seen = it->second;
        wrong += seen.parent != parent || seen.trace_hi != Mix64(root) || seen.changed;
        repeated += seen.times > most_times;
      }
    }
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(repeated, 0u);
  }
  bool WaitFor(const std::function<bool()>& done, int64_t ns = 30 * kSecond) {
    const int64_t end = clock_.MonotonicNs() + ns;
    while (!done()) {
      if (clock_.MonotonicNs() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  void ExpectLocalLedger(Member& m) {
    const auto n = [&](const char* name) { return m.metrics.Get(name).Get(); };
    EXPECT_EQ(n("stitch.spans") + n("stitch.ended_by_engine"),
              n("stitch.emitted") + n("stitch.pending") + n("stitch.handed_over"));
    EXPECT_EQ(n("trace.spans"), n("trace.kept") + n("trace.sampled_out") + n("trace.pending") +
                                    n("trace.replaced") + n("trace.skipped") +
                                    n("trace.handed_over"));
    EXPECT_EQ(n("trace.kept"), n("sink.rows{sink=store}") + n("sink.dropped{sink=store}") +
                                   n("sink.pending{sink=store}") +
                                   n("sink.handed_over{sink=store}"));
    EXPECT_EQ(n("sink.dropped{sink=store}"), 0u);
    for (const char* gauge : {"stitch.pending", "trace.pending", "trace.open",
                              "stage.partitions{stage=stitch}", "stage.partitions{stage=trace}"})
      EXPECT_EQ(n(gauge), 0u) << gauge;
  }

  SystemClock clock_;
  std::unique_ptr<Logger> log_ = NullLogger();
  Metrics metrics_;  // of sources and transport
  MemoryTransport transport_{{.partitions = kPartitions}, clock_, metrics_};
  test::MovingGroup group_{transport_};
  Store store_;
  std::atomic<int> instances_ = 0, made_ = 0;
  std::vector<std::unique_ptr<Member>> members_;
  int64_t last_ns_ = 0;
  uint64_t traces_ = 0;
};

uint64_t Seed() {
  const char* text = std::getenv("WEFT_SEED");
  const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : std::random_device()();
  std::printf("WEFT_SEED=%lu runs this again\n", seed);
  return seed;
}

TEST_F(GroupTest, StoresEverySpanOnceWhilePartitionsMoveInGoodOrder) {
  std::mt19937_64 random(Seed());
  for (int i = 0; i < 3; ++i) AddMember();
  MoveAll(0);
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  Load(agent, 4 * kSecond, [&] {
    if (random() % 4 != 0) return;
    group_.Move(random() % 2 == 0 ? Stage::kStitch : Stage::kTrace,
                static_cast<uint32_t>(random() % kPartitions), static_cast<uint32_t>(random() % 3));
  });
  ASSERT_TRUE(agent.Finish());
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  EXPECT_TRUE(WaitFor([&] { return group_.Settled(); }));
  ExpectEverySpanRight(1);
  uint64_t moves = 0;
  for (auto& member : members_) {
    EXPECT_FALSE(member->engine->Failure());
    EXPECT_TRUE(member->engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
    moves += member->metrics.Get("stage.gained{stage=stitch}").Get() +
             member->metrics.Get("stage.gained{stage=trace}").Get();
    ExpectLocalLedger(*member);
  }
  EXPECT_EQ(instances_, 0);
  std::printf("%lu traces, %lu take-overs\n", traces_, moves);
}

TEST_F(GroupTest, LosesNoSpanAndChangesNoneWhenPartitionsAreSeized) {
  std::mt19937_64 random(Seed());
  for (int i = 0; i < 3; ++i) AddMember();
  MoveAll(0);
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  Load(agent, 4 * kSecond, [&] {
    const auto stage = random() % 2 == 0 ? Stage::kStitch : Stage::kTrace;
    const auto partition = static_cast<uint32_t>(random() % kPartitions);
    const auto to = static_cast<uint32_t>(random() % 3);
    if (random() % 4 == 0) group_.Move(stage, partition, to);
    if (random() % 8 == 0) group_.Seize(stage, partition, to);
  });
  ASSERT_TRUE(agent.Finish());
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  ExpectEverySpanRight(UINT32_MAX);  // this sink does not tell generations apart
  for (auto& member : members_) {
    EXPECT_FALSE(member->engine->Failure());
    EXPECT_TRUE(member->engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
    ExpectLocalLedger(*member);
  }
  EXPECT_EQ(instances_, 0);
}

TEST_F(GroupTest, LosesNoSpanWhilePluginsAreRenewedAndPartitionsMove) {
  std::mt19937_64 random(Seed());
  for (int i = 0; i < 2; ++i) AddMember();
  MoveAll(0);
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  Load(agent, 3 * kSecond, [&] {
    const auto stage = random() % 2 == 0 ? Stage::kStitch : Stage::kTrace;
    if (random() % 8 == 0)
      group_.Move(stage, static_cast<uint32_t>(random() % kPartitions),
                  static_cast<uint32_t>(random() % 2));
    if (random() % 2 == 0) members_[random() % 2]->engine->RenewPlugins();
  });
  const int made = made_;
  for (auto& member : members_) member->engine->RenewPlugins();
  EXPECT_TRUE(WaitFor([&] { return group_.Settled(); }));
  EXPECT_TRUE(WaitFor([&] { return made_ >= made + 2 * static_cast<int>(kPartitions); }))
      << "a shard still has the plugins of before";
  EXPECT_TRUE(WaitFor([&] { return instances_ <= 2 * static_cast<int>(kPartitions); }))
      << "old ones stay";
  ASSERT_TRUE(agent.Finish());
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  ExpectEverySpanRight(1);
  for (auto& member : members_) {
    EXPECT_FALSE(member->engine->Failure());
    EXPECT_TRUE(member->engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
    ExpectLocalLedger(*member);
  }
  EXPECT_EQ(instances_, 0);
  std::printf("%lu traces, %d sets of plugins\n", traces_, made_.load());
}

TEST_F(GroupTest, StopLeavesToTheOthersWhatIsNotDecided) {
  Member& first = AddMember();
  MoveAll(0);
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  Load(agent, 2 * kSecond, [] {});
  AddMember();
  const int64_t begin = clock_.MonotonicNs();
  EXPECT_TRUE(first.engine->Stop(begin + 10 * kSecond));  // others inherit
  EXPECT_LT(clock_.MonotonicNs() - begin, 5 * kSecond);
  ExpectLocalLedger(first);
  const auto given_back =
      first.metrics.Get("trace.handed_over").Get() + first.metrics.Get("stitch.handed_over").Get();
  EXPECT_GT(given_back, 0u);  // the newest windows at least
  Load(agent, kSecond, [] {});
  ASSERT_TRUE(agent.Finish());
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  ExpectEverySpanRight(1);
  EXPECT_TRUE(members_[1]->engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
}

TEST_F(GroupTest, GivesUpExportsAfterAWhileWhenASinkIsStuckAndAPartitionIsRevoked) {
  EngineConfig config;
  config.hand_over_ns = kSecond / 2;
  Member& first = AddMember(config);
  MoveAll(0);
  store_.refuse = true;
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  for (int i = 0; i < 100; ++i) AddTrace(agent, ++traces_);
  ASSERT_TRUE(agent.Finish());
  ASSERT_TRUE(WaitFor([&] { return first.metrics.Get("trace.kept").Get() == 3 * traces_; }));
  AddMember();
  MoveAll(1);
  ASSERT_TRUE(WaitFor([&] { return group_.Settled(); }));
  EXPECT_EQ(first.metrics.Get("sink.handed_over{sink=store}").Get(), 3 * traces_);
  store_.refuse = false;
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  ExpectEverySpanRight(1);
  for (auto& member : members_) {
    EXPECT_TRUE(member->engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
    ExpectLocalLedger(*member);
  }
}

TEST_F(GroupTest, RunsTheStagesApart) {
  EngineConfig one, two;
  one.run_trace = false;
  two.run_stitch = false;
  AddMember(one);
  AddMember(two);
  for (uint32_t p = 0; p < kPartitions; ++p) {
    group_.Move(Stage::kStitch, p, 0);
    group_.Move(Stage::kTrace, p, 1);
  }
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  for (int i = 0; i < 100; ++i) AddTrace(agent, ++traces_);
  ASSERT_TRUE(agent.Finish());
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  ExpectEverySpanRight(1);
  EXPECT_EQ(members_[0]->metrics.Get("trace.spans").Get(), 0u);
  EXPECT_EQ(members_[1]->metrics.Get("stitch.spans").Get(), 0u);
  for (auto& member : members_)
    EXPECT_TRUE(member->engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
}

TEST_F(GroupTest, GoesOnAfterAShardWasFenced) {
  Member& only = AddMember();
  MoveAll(0);
  ASSERT_TRUE(WaitFor(
      [&] { return only.metrics.Get("stage.partitions{stage=stitch}").Get() == kPartitions; }));
  (void)transport_.Own(Stage::kStitch, 1);  // the group knows nothing of this owner
  (void)transport_.Own(Stage::kTrace, 2);
  ASSERT_TRUE(WaitFor([&] {
    return only.metrics.Get("stage.failed{stage=stitch}").Get() == 1 &&
           only.metrics.Get("stage.failed{stage=trace}").Get() == 1;
  }));
  sources::Publisher agent({"machine", "host", 7, 1}, {}, transport_, clock_, metrics_);
  for (int i = 0; i < 100; ++i) AddTrace(agent, ++traces_);
  ASSERT_TRUE(agent.Finish());
  EXPECT_TRUE(WaitFor([&] { return store_.size() == 3 * traces_; }));
  ExpectEverySpanRight(1);
  EXPECT_FALSE(only.engine->Failure());
  EXPECT_TRUE(only.engine->Stop(clock_.MonotonicNs() + 10 * kSecond));
  ExpectLocalLedger(only);
}

}  // namespace
}  // namespace weft::graph
