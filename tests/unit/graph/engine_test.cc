#include "engine/graph/engine.h"

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include <time.h>

#include <gtest/gtest.h>

#include "engine/transport/memory.h"
#include "sources/publisher.h"
#include "tests/support/calling_trace.h"

namespace weft::graph {
namespace {

using transport::MemoryTransport;

// What an exporter was given, by exchange.
struct Store {
  std::mutex mutex;
  std::map<uint64_t, uint64_t> trace_of;
  std::map<uint64_t, uint64_t> parent_of;
  uint64_t rows = 0;
  bool refuse = false;
};

int32_t Export(void* instance, const weft_spans* s, const weft_traces*, const weft_source*,
               weft_error*) {
  auto* store = static_cast<Store*>(instance);
  std::lock_guard lock(store->mutex);
  if (store->refuse) return WEFT_EXPORT_RETRY;
  for (uint32_t i = 0; i < s->n; ++i) {
    store->trace_of[s->exchange[i]] = s->trace_lo[i];
    store->parent_of[s->exchange[i]] = s->parent_id[i];
  }
  store->rows += s->n;
  return WEFT_EXPORT_OK;
}
const weft_exporter kStore{sizeof(weft_exporter), Export, nullptr, nullptr, nullptr};

class EngineTest : public testing::Test {
 protected:
  static constexpr uint32_t kPartitions = 3;

  std::unique_ptr<Engine> Start(EngineConfig config = {}) {
    EnginePlugins plugins;
    plugins.make = [](transport::Stage, uint32_t) { return ShardPlugins{}; };
    plugins.exporters = {{"one", &kStore, &stores_[0]}, {"two", &kStore, &stores_[1]}};
    auto engine = Engine::Start(config, std::move(plugins), transport_, clock_, metrics_, *log_);
    EXPECT_TRUE(engine);
    return std::move(*engine);
  }
  sources::Publisher Agent(uint64_t n) {
    return sources::Publisher({"machine" + std::to_string(n), "host", n, 1}, {}, transport_, clock_,
                              metrics_);
  }
  // A request that calls another process of the same host, which serves it.
  void AddTrace(sources::Publisher& agent, uint64_t n) {
    test::AddCallingTrace(agent, n, clock_.MonotonicNs());
  }
  uint64_t Count(std::string_view name) { return metrics_.Get(name).Get(); }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  MemoryTransport transport_{{.partitions = kPartitions}, clock_, metrics_};
  Store stores_[2];
};

TEST_F(EngineTest, StoresEverythingInEveryExporterBeforeItStops) {
  auto engine = Start();
  sources::Publisher agent = Agent(1);
  constexpr uint64_t kTraces = 500;
  for (uint64_t n = 0; n < kTraces; ++n) {
    AddTrace(agent, n + 1);
    if (n % 50 == 0) agent.Tick(clock_.MonotonicNs() - kSecond);
  }
  ASSERT_TRUE(agent.Finish());
  const auto stopped = engine->Stop(clock_.MonotonicNs() + 30 * kSecond);
  ASSERT_TRUE(stopped) << stopped.error().message;
  for (Store& store : stores_) EXPECT_EQ(store.trace_of.size(), 3 * kTraces);
  EXPECT_EQ(stores_[0].trace_of, stores_[1].trace_of);
  for (uint64_t n = 1; n <= kTraces; ++n) {
    const auto served = api::ExchangeKey(Mix64(n) + 1, 0, api::Side::kServer);
    const auto called = api::ExchangeKey(Mix64(n) + 1, 0, api::Side::kClient);
    EXPECT_EQ(stores_[0].parent_of.at(served), api::SpanId(Mix64(n) + 1, api::Side::kClient));
    EXPECT_EQ(stores_[0].trace_of.at(served), stores_[0].trace_of.at(called));
  }
  const EngineStats stats = engine->Stats();
  EXPECT_EQ(stats.observations, 3 * kTraces);
  EXPECT_EQ(stats.exported, 3 * kTraces);
  EXPECT_EQ(stats.pending, 0u);
  EXPECT_EQ(stats.lost, 0u);
  EXPECT_EQ(Count("agent.observed"), Count("stitch.spans"));
  EXPECT_EQ(Count("stitch.emitted"), Count("trace.spans"));
  EXPECT_EQ(Count("trace.spans"), Count("trace.kept"));
  EXPECT_EQ(Count("trace.kept"), Count("sink.rows{sink=one}"));
  EXPECT_EQ(Count("sink.pending{sink=one}"), 0u);
}

TEST_F(EngineTest, StopEndsByItsDeadlineWhenAnExporterNeverTakesAnything) {
  stores_[1].refuse = true;
  auto engine = Start();
  sources::Publisher agent = Agent(1);
  AddTrace(agent, 1);
  ASSERT_TRUE(agent.Finish());
  // The other exporter has it once it is decided.
  while (Count("sink.rows{sink=one}") < 3 && !engine->Failure())
    transport_.WaitReadable(transport::Stage::kTrace, 0, clock_.MonotonicNs() + kMillisecond);
  const int64_t begin = clock_.MonotonicNs();
  const auto stopped = engine->Stop(begin + kSecond);
  EXPECT_LT(clock_.MonotonicNs() - begin, 20 * kSecond);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
  EXPECT_EQ(stores_[0].rows, 3u);
  EXPECT_EQ(Count("sink.dropped{sink=two}"), 3u);
  EXPECT_EQ(engine->Stats().lost, 3u);
}

// A chain that is far too slow for what it gets: each window takes it a while.
int32_t Dawdle(void* windows, const weft_spans*, weft_candidates*, weft_error*) {
  ++*static_cast<std::atomic<uint64_t>*>(windows);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return WEFT_OK;
}

TEST_F(EngineTest, StopEndsByItsDeadlineWhenTheCorrelatorsAreTooSlow) {
  std::atomic<uint64_t> windows = 0;
  const weft_correlator slow{
      sizeof(weft_correlator), Dawdle, nullptr, nullptr, nullptr, nullptr, 0};
  EnginePlugins plugins;
  plugins.make = [&](transport::Stage, uint32_t) {
    ShardPlugins shard;
    shard.correlators = {{"slow", &slow, &windows}};
    return shard;
  };
  plugins.exporters = {{"one", &kStore, &stores_[0]}};
  auto engine = Engine::Start({}, std::move(plugins), transport_, clock_, metrics_, *log_);
  ASSERT_TRUE(engine);
  sources::Publisher agent = Agent(1);
  constexpr uint64_t kWindows = 1000;  // 50 s, all in the step that ends the input
  const int64_t now = clock_.MonotonicNs();
  for (uint64_t n = 0; n < kWindows; ++n) {
    AddTrace(agent, n + 1);
    for (int row = 0; row < 2; ++row) {
      api::SpanTable& t = agent.AddRow({1, 1, "svc"});
      const api::Side side = row == 0 ? api::Side::kServer : api::Side::kClient;
      t.exchange.back() = api::ExchangeKey(1'000'000 + n, 0, side);
      t.kind.back() = row == 0 ? uint8_t{WEFT_KIND_SERVER} : uint8_t{WEFT_KIND_CLIENT};
      t.start_ns.back() = now - static_cast<int64_t>(n) * kSecond + row;
      t.end_ns.back() = t.start_ns.back() + 10 - 2 * row;
    }
  }
  ASSERT_TRUE(agent.Finish());
  const int64_t begin = clock_.MonotonicNs();
  const auto stopped = (*engine)->Stop(begin + kSecond);
  EXPECT_LT(clock_.MonotonicNs() - begin, 20 * kSecond);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
  EXPECT_LT(windows, kWindows);
  EXPECT_EQ(Count("stitch.lost_at_stop"), Count("stitch.pending"));
  EXPECT_EQ(Count("stitch.spans"), Count("stitch.emitted") + Count("stitch.pending"));
}

TEST_F(EngineTest, DoesNotStartWherePluginsCannotBeMade) {
  EnginePlugins plugins;
  plugins.make = [](transport::Stage, uint32_t p) -> Result<ShardPlugins> {
    if (p == 2) return Fail(Code::kInvalid, "no such thing");
    return ShardPlugins{};
  };
  const auto engine = Engine::Start({}, std::move(plugins), transport_, clock_, metrics_, *log_);
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Code::kInvalid);
  EXPECT_EQ(engine.error().message, "engine: no such thing");
}

TEST_F(EngineTest, SaysWhyItStoppedByItself) {
  auto engine = Start();
  auto thief = transport_.Own(transport::Stage::kStitch, 0);
  const auto stopped = engine->Stop(clock_.MonotonicNs() + 5 * kSecond);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kFenced);
  EXPECT_TRUE(engine->Failure());
}

TEST_F(EngineTest, CostsNextToNothingWhileIdle) {
  auto engine = Start();
  const auto cpu_ns = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * kSecond + t.tv_nsec;
  };
  const int64_t begin = clock_.MonotonicNs(), cpu_begin = cpu_ns();
  while (clock_.MonotonicNs() - begin < kSecond)
    transport_.WaitReadable(transport::Stage::kStitch, 0, begin + kSecond);
  const double cores =
      static_cast<double>(cpu_ns() - cpu_begin) / static_cast<double>(clock_.MonotonicNs() - begin);
  std::printf("idle: %.4f cores\n", cores);
  EXPECT_LT(cores, 0.25);
  EXPECT_TRUE(engine->Stop(clock_.MonotonicNs() + 5 * kSecond));
}

}  // namespace
}  // namespace weft::graph
