#include "engine/graph/exporter_worker.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace weft::graph {
namespace {

// Answers from a list, then OK; remembers the numbers of the batches it took.
struct FakeSink {
  std::vector<int32_t> answers;
  size_t calls = 0;
  std::vector<uint64_t> taken;
  std::atomic<int> flushes = 0;
  bool throws = false;
  uint64_t retry_after_ns = 0, refused = 0, taken_spans = 0;
  uint64_t taken_each_call = 0;     // of a batch that it wants again
  std::atomic<bool> hangs = false;  // the call does not come back while this is so
  size_t hangs_at_call = SIZE_MAX;  // begins there
  ManualClock* clock = nullptr;     // a call takes a second of it
};

int32_t Export(void* instance, const weft_spans*, const weft_traces*, const weft_source* source,
               weft_error*) {
  auto* sink = static_cast<FakeSink*>(instance);
  if (sink->throws) throw std::runtime_error("broken plugin");
  if (sink->calls == sink->hangs_at_call) sink->hangs = true;
  sink->hangs.wait(true);
  const int32_t answer =
      sink->calls < sink->answers.size() ? sink->answers[sink->calls] : int32_t{WEFT_EXPORT_OK};
  ++sink->calls;
  sink->taken_spans += sink->taken_each_call;
  if (sink->clock != nullptr) sink->clock->Advance(kSecond);
  if (answer == WEFT_EXPORT_OK) sink->taken.push_back(source->batch);
  return answer;
}
int32_t Flush(void* instance, uint64_t, weft_error*) {
  ++static_cast<FakeSink*>(instance)->flushes;
  return WEFT_OK;
}
void Delivery(void* instance, uint64_t* retry_after_ns, uint64_t* refused) {
  *retry_after_ns = static_cast<FakeSink*>(instance)->retry_after_ns;
  *refused = static_cast<FakeSink*>(instance)->refused;
}
uint64_t Taken(void* instance) { return static_cast<FakeSink*>(instance)->taken_spans; }
const weft_exporter kTable{sizeof(weft_exporter), Export, Flush, Delivery, Taken};

class ExporterWorkerTest : public testing::Test {
 protected:
  ExporterWorkerTest() {
    config_.first_backoff_ns = kMillisecond;
    config_.max_backoff_ns = 2 * kMillisecond;
  }
  std::unique_ptr<ExporterWorker> Worker() {
    return std::make_unique<ExporterWorker>(
        config_, Exporter{"fake", &kTable, &sink_, 0, drops_when_full_}, clock_, metrics_, *log_);
  }
  static trace::ExportBatchPtr Batch(uint64_t number) {
    auto batch = std::make_shared<trace::ExportBatch>();
    batch->number = number;
    batch->spans.AddRow();
    batch->view = batch->spans.View();
    batch->ended = 1;
    batch->bytes = 1000;
    return batch;
  }
  ExporterWorker::Done Note() {
    return [this](Fate fate) { fates_.push_back(fate); };
  }
  uint64_t Count(std::string_view name) { return metrics_.Get(name).Get(); }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  ExporterConfig config_;
  FakeSink sink_;
  bool drops_when_full_ = false;
  std::vector<Fate> fates_;
};

TEST_F(ExporterWorkerTest, DeliversInOrderAndFlushesAtTheEnd) {
  auto worker = Worker();
  for (uint64_t i = 1; i <= 100; ++i) worker->Push(Batch(i), Note());
  worker->Stop(INT64_MAX);
  ASSERT_EQ(sink_.taken.size(), 100u);
  EXPECT_TRUE(std::ranges::is_sorted(sink_.taken));
  EXPECT_EQ(fates_, std::vector<Fate>(100, Fate::kExported));
  EXPECT_EQ(Count("sink.rows{sink=fake}"), 100u);
  EXPECT_EQ(Count("sink.queued_bytes{sink=fake}"), 0u);
  EXPECT_GE(sink_.flushes, 1);
}

TEST_F(ExporterWorkerTest, BringsTheSameBatchAgainUntilItIsTaken) {
  sink_.answers = {WEFT_EXPORT_RETRY, WEFT_EXPORT_RETRY, WEFT_EXPORT_RETRY};
  auto worker = Worker();
  worker->Push(Batch(1), Note());
  worker->Push(Batch(2), Note());
  worker->Stop(INT64_MAX);
  EXPECT_EQ(sink_.taken, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(Count("sink.retries{sink=fake}"), 3u);
}

TEST_F(ExporterWorkerTest, CountsWhatTheExporterWillNeverTake) {
  sink_.answers = {WEFT_EXPORT_DROP, WEFT_FAILED};
  auto worker = Worker();
  for (uint64_t i = 1; i <= 3; ++i) worker->Push(Batch(i), Note());
  worker->Stop(INT64_MAX);
  EXPECT_EQ(fates_, (std::vector<Fate>{Fate::kDropped, Fate::kDropped, Fate::kExported}));
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 2u);
  EXPECT_EQ(Count("sink.refused{sink=fake}"), 2u);
}

TEST_F(ExporterWorkerTest, GivesUpAtTheDeadlineAndSaysSo) {
  sink_.answers.assign(1'000'000, WEFT_EXPORT_RETRY);
  config_.max_backoff_ns = config_.first_backoff_ns = 3600 * kSecond;
  auto worker = Worker();
  worker->Push(Batch(1), Note());
  worker->Push(Batch(2), Note());
  worker->Stop(clock_.MonotonicNs() + 10 * kMillisecond);
  EXPECT_EQ(fates_, (std::vector<Fate>{Fate::kAbandoned, Fate::kAbandoned}));
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 2u);
}

TEST_F(ExporterWorkerTest, ADeadSinkThatMayDropDoesNotDelayTheEnd) {
  sink_.answers.assign(1'000'000, WEFT_EXPORT_RETRY);
  drops_when_full_ = true;
  config_.end_patience_ns = 10 * kMillisecond;
  auto worker = Worker();
  for (uint64_t i = 1; i <= 3; ++i) worker->Push(Batch(i), Note());
  worker->Stop(INT64_MAX);  // would never come
  EXPECT_EQ(fates_, std::vector<Fate>(3, Fate::kAbandoned));
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 3u);
}

TEST_F(ExporterWorkerTest, WhatWasTakenOfABatchThatIsGivenUpCountsAsStored) {
  sink_.answers.assign(1'000'000, WEFT_EXPORT_RETRY);
  sink_.taken_spans = 3;
  config_.max_backoff_ns = config_.first_backoff_ns = 3600 * kSecond;
  auto worker = Worker();
  auto batch = std::make_shared<trace::ExportBatch>();
  batch->ended = 5;
  worker->Push(std::move(batch), Note());
  while (Count("sink.retries{sink=fake}") == 0) std::this_thread::yield();
  worker->Stop(clock_.MonotonicNs());
  EXPECT_EQ(Count("sink.rows{sink=fake}"), 3u);
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 2u);
}

TEST_F(ExporterWorkerTest, WhatWasTakenOfABatchThatIsRefusedInTheEndCountsAsStored) {
  for (const int32_t last : {int32_t{WEFT_EXPORT_DROP}, int32_t{WEFT_FAILED}}) {
    sink_.answers.insert(sink_.answers.end(), {WEFT_EXPORT_RETRY, last});
    sink_.taken_spans = 3;
    auto worker = Worker();
    auto batch = std::make_shared<trace::ExportBatch>();
    batch->ended = 5;
    worker->Push(std::move(batch), Note());
    worker->Stop(INT64_MAX);
  }
  EXPECT_EQ(fates_, (std::vector<Fate>{Fate::kDropped, Fate::kDropped}));
  EXPECT_EQ(Count("sink.rows{sink=fake}"), 6u);
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 4u);
  EXPECT_EQ(Count("sink.refused{sink=fake}"), 4u);
}

TEST_F(ExporterWorkerTest, TheMostThatAnyCallTookOfABatchCountsWhenItIsGivenUp) {
  sink_.answers.assign(3, WEFT_EXPORT_RETRY);
  sink_.answers.push_back(WEFT_EXPORT_DROP);
  sink_.taken_spans = 4;
  sink_.taken_each_call = uint64_t{0} - 1;  // 3, 2, 1: it forgets what it said
  auto worker = Worker();
  auto batch = std::make_shared<trace::ExportBatch>();
  batch->ended = 5;
  worker->Push(std::move(batch), Note());
  worker->Stop(INT64_MAX);
  EXPECT_EQ(Count("sink.rows{sink=fake}"), 3u);
  EXPECT_EQ(Count("sink.refused{sink=fake}"), 2u);
}

TEST_F(ExporterWorkerTest, ASinkThatMayDropButTakesSomethingHasTheWholeTimeAtTheEnd) {
  constexpr size_t kCalls = 20;  // a second each
  sink_.answers.assign(kCalls, WEFT_EXPORT_RETRY);
  sink_.taken_each_call = 1;
  ManualClock clock;
  sink_.clock = &clock;
  ExporterWorker worker(config_, Exporter{"fake", &kTable, &sink_, 0, true}, clock, metrics_,
                        *log_);
  auto batch = std::make_shared<trace::ExportBatch>();
  batch->ended = kCalls + 1;
  worker.Push(std::move(batch), Note());
  worker.Stop(INT64_MAX);
  EXPECT_EQ(fates_, (std::vector<Fate>{Fate::kExported}));
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 0u);
}

TEST_F(ExporterWorkerTest, WhatWasTakenOfABatchThatMakesRoomCountsAsStored) {
  sink_.answers = {WEFT_EXPORT_RETRY};
  sink_.taken_each_call = 1;
  config_.queue_bytes = 2500;
  config_.call_patience_ns = 0;
  drops_when_full_ = true;
  sink_.hangs_at_call = 1;
  auto worker = Worker();
  auto first = std::make_shared<trace::ExportBatch>();
  first->ended = 5;
  first->bytes = 1000;
  worker->Push(std::move(first), Note());
  while (!sink_.hangs) std::this_thread::yield();  // the second call
  for (uint64_t i = 2; fates_.empty() || i < 5; ++i) {
    worker->Push(Batch(i), Note());
    std::this_thread::yield();
  }
  const uint64_t rows = Count("sink.rows{sink=fake}");
  sink_.hangs = false;
  sink_.hangs.notify_all();
  worker->Stop(INT64_MAX);
  EXPECT_EQ(rows, 1u);
}

TEST_F(ExporterWorkerTest, WaitsForRoomInTheQueue) {
  config_.queue_bytes = 2500;
  auto worker = Worker();
  for (uint64_t i = 1; i <= 50; ++i) {
    worker->Push(Batch(i), Note());
    EXPECT_LE(Count("sink.queued_bytes{sink=fake}"), 2500u);
  }
  worker->Stop(INT64_MAX);
  EXPECT_EQ(sink_.taken.size(), 50u);
}

TEST_F(ExporterWorkerTest, WhereOthersMustNotWaitTheOldestGoWhenTheQueueIsFull) {
  sink_.answers.assign(1'000'000, WEFT_EXPORT_RETRY);  // dead
  config_.first_backoff_ns = config_.max_backoff_ns = 3600 * kSecond;
  config_.queue_bytes = 2500;
  drops_when_full_ = true;
  std::mutex mutex;
  std::vector<uint64_t> dropped;
  auto worker = Worker();
  for (uint64_t i = 1; i <= 50; ++i)
    worker->Push(Batch(i), [&, i](Fate fate) {
      std::lock_guard lock(mutex);
      if (fate == Fate::kDropped) dropped.push_back(i);
    });
  worker->Stop(clock_.MonotonicNs());
  // All but those of the last 2,500 bytes, which had no time left.
  EXPECT_GE(dropped.size(), 47u);
  EXPECT_EQ(std::ranges::count(dropped, 50u), 0);
  EXPECT_EQ(Count("sink.overflowed{sink=fake}"), dropped.size());
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 50u);
  EXPECT_EQ(Count("sink.pending{sink=fake}"), 0u);
  EXPECT_EQ(Count("sink.queued_bytes{sink=fake}"), 0u);
}

TEST_F(ExporterWorkerTest, ACallThatNeverComesBackHoldsNobodyUp) {
  sink_.hangs = true;
  config_.queue_bytes = 2500;
  config_.call_patience_ns = 0;
  drops_when_full_ = true;
  std::atomic<int> settled = 0;
  auto worker = Worker();
  for (uint64_t i = 1; i <= 50; ++i) worker->Push(Batch(i), [&](Fate) { ++settled; });
  while (settled < 48) {  // the first one is taken up when the worker gets to it
    worker->Push(Batch(51), [&](Fate) { ++settled; });
    std::this_thread::yield();
  }
  sink_.hangs = false;
  sink_.hangs.notify_all();
  worker->Stop(INT64_MAX);
  EXPECT_EQ(Count("sink.rows{sink=fake}") + Count("sink.dropped{sink=fake}"),
            static_cast<uint64_t>(settled));
  EXPECT_EQ(Count("sink.pending{sink=fake}"), 0u);
}

TEST_F(ExporterWorkerTest, ABatchIsSettledOnceThoughAPushWantsItsRoomMeanwhile) {
  config_.queue_bytes = 1500;
  config_.call_patience_ns = 0;
  drops_when_full_ = true;
  int settled = 0;
  auto worker = Worker();
  worker->Push(Batch(1), [&](Fate fate) {
    EXPECT_EQ(fate, Fate::kExported);
    if (++settled > 1) return;
    for (uint64_t i = 2; i <= 4; ++i) worker->Push(Batch(i), [](Fate) {});
  });
  worker->Stop(INT64_MAX);
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(Count("sink.rows{sink=fake}"), 2u);
  EXPECT_EQ(Count("sink.overflowed{sink=fake}"), 2u);
}

TEST_F(ExporterWorkerTest, WhatTheSinkRefusesOfABatchCountsAsDropped) {
  sink_.refused = 1;
  auto worker = Worker();
  worker->Push(Batch(1), Note());
  worker->Stop(INT64_MAX);
  EXPECT_EQ(fates_, (std::vector<Fate>{Fate::kDropped}));
  EXPECT_EQ(Count("sink.rows{sink=fake}"), 0u);
  EXPECT_EQ(Count("sink.refused{sink=fake}"), 1u);
  EXPECT_EQ(Count("sink.dropped{sink=fake}"), 1u);
}

TEST_F(ExporterWorkerTest, PausesAsLongAsTheSinkAsks) {
  sink_.answers = {WEFT_EXPORT_RETRY};
  sink_.retry_after_ns = 30 * kMillisecond;
  const int64_t begun_ns = clock_.MonotonicNs();
  auto worker = Worker();
  worker->Push(Batch(1), Note());
  worker->Stop(INT64_MAX);
  EXPECT_EQ(sink_.taken, (std::vector<uint64_t>{1}));
  EXPECT_GE(clock_.MonotonicNs() - begun_ns, 30 * kMillisecond);
}

TEST_F(ExporterWorkerTest, AnExceptionOfAPluginIsADrop) {
  sink_.throws = true;
  auto worker = Worker();
  worker->Push(Batch(1), Note());
  worker->Stop(INT64_MAX);
  EXPECT_EQ(fates_, (std::vector<Fate>{Fate::kDropped}));
}

}  // namespace
}  // namespace weft::graph
