#include "engine/graph/exporter_worker.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace weft::graph {
namespace {

// A shard that waits for room looks this often whether it is to end.
constexpr auto kLookEvery = std::chrono::milliseconds(20);

Histogram::Values Delays(const trace::ExportBatch& batch, int64_t now_ns) {
  Histogram::Values delays;
  const weft_spans& spans = batch.view.spans();
  for (uint32_t i = 0; i < spans.n; ++i)
    if ((spans.flags[i] & WEFT_FLAG_OPEN) == 0) delays.Observe(now_ns - spans.end_ns[i]);
  return delays;
}

}  // namespace

ExporterCounters::ExporterCounters(Metrics& m, const std::string& name)
    : rows(m.Get(fmt::format("sink.rows{{sink={}}}", name))),
      dropped(m.Get(fmt::format("sink.dropped{{sink={}}}", name))),
      handed_over(m.Get(fmt::format("sink.handed_over{{sink={}}}", name))),
      retries(m.Get(fmt::format("sink.retries{{sink={}}}", name))),
      pending(m.Get(fmt::format("sink.pending{{sink={}}}", name))),
      queued_bytes(m.Get(fmt::format("sink.queued_bytes{{sink={}}}", name))),
      delay(m.GetHistogram(fmt::format("sink.delay_ns{{sink={}}}", name))) {}

ExporterWorker::ExporterWorker(const ExporterConfig& config, Exporter exporter, const Clock& clock,
                               Metrics& metrics, Logger& log)
    : config_(config),
      exporter_(std::move(exporter)),
      clock_(clock),
      log_(log),
      counters_(metrics, exporter_.name) {
  thread_ = std::thread([this] { Run(); });
}

ExporterWorker::~ExporterWorker() { Stop(INT64_MIN); }

void ExporterWorker::Push(trace::ExportBatchPtr batch, Done done,
                          const std::atomic<bool>* give_up) {
  const auto given_up = [&] { return give_up != nullptr && *give_up; };
  std::unique_lock lock(mutex_);
  while (!given_up() && !queue_.empty() && bytes_ + batch->bytes > config_.queue_bytes)
    room_.wait_for(lock, kLookEvery);
  if (given_up()) {  // asked under the lock: Forget comes after it was set
    lock.unlock();
    return Abandon(*batch, done);
  }
  bytes_ += batch->bytes;
  counters_.queued_bytes.Add(batch->bytes);
  counters_.pending.Add(batch->ended);
  queue_.push_back({std::move(batch), std::move(done)});
  wake_.notify_one();
}

void ExporterWorker::Forget(uint32_t partition, uint64_t generation) {
  const auto meant = [&](const Item& item) {
    return item.batch->partition == partition && item.batch->generation == generation;
  };
  std::deque<Item> forgotten;
  {
    std::lock_guard lock(mutex_);
    auto begin = queue_.begin();
    if (delivering_) {
      if (meant(*begin)) {
        forgotten_ = true;
        wake_.notify_one();
      }
      ++begin;
    }
    const auto kept = std::stable_partition(begin, queue_.end(), std::not_fn(meant));
    std::move(kept, queue_.end(), std::back_inserter(forgotten));
    queue_.erase(kept, queue_.end());
    for (const Item& item : forgotten) {
      bytes_ -= item.batch->bytes;
      counters_.queued_bytes.Add(0 - item.batch->bytes);
      counters_.pending.Add(uint64_t{0} - item.batch->ended);
    }
    room_.notify_all();
  }
  for (const Item& item : forgotten) Abandon(*item.batch, item.done);
}

void ExporterWorker::Abandon(const trace::ExportBatch& batch, const Done& done) {
  counters_.handed_over.Add(batch.ended);
  done(Fate::kAbandoned);
}

void ExporterWorker::SetDeadline(int64_t deadline_ns) {
  std::lock_guard lock(mutex_);
  deadline_ns_ = std::min(deadline_ns_, deadline_ns);
  wake_.notify_one();
}

void ExporterWorker::Stop(int64_t deadline_ns) {
  SetDeadline(deadline_ns);
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ExporterWorker::Run() {
  bool unflushed = false;
  std::unique_lock lock(mutex_);
  while (true) {
    const auto some = [this] { return !queue_.empty() || stopping_; };
    if (!unflushed) {
      wake_.wait(lock, some);
    } else if (!wake_.wait_for(lock, std::chrono::nanoseconds(config_.flush_after_ns), some)) {
      lock.unlock();
      Flush();
      lock.lock();
      unflushed = false;
      continue;
    }
    if (queue_.empty()) break;
    // Stays in the queue, and in its bound, until it is done. Others may go from behind it.
    const Item& item = queue_.front();
    delivering_ = true;
    forgotten_ = false;
    lock.unlock();
    Deliver(item);
    unflushed = true;
    lock.lock();
    delivering_ = false;
    bytes_ -= queue_.front().batch->bytes;
    counters_.queued_bytes.Add(0 - queue_.front().batch->bytes);
    counters_.pending.Add(uint64_t{0} - queue_.front().batch->ended);
    queue_.pop_front();
    room_.notify_all();
  }
  lock.unlock();
  if (unflushed) Flush();
}

bool ExporterWorker::Expired() const { return clock_.MonotonicNs() >= deadline_ns_; }

void ExporterWorker::Deliver(const Item& item) {
  const uint64_t rows = item.batch->ended;
  int64_t backoff_ns = config_.first_backoff_ns;
  weft_error error{};
  int32_t outcome = WEFT_EXPORT_RETRY;
  for (int attempt = 0;; ++attempt) {
    {
      std::unique_lock lock(mutex_);
      if (Expired() || forgotten_) break;
    }
    error.message[0] = '\0';
    outcome = Call(*item.batch, &error);
    if (outcome != WEFT_EXPORT_RETRY) break;
    counters_.retries.Add();
    if (attempt == 0)
      log_.Warn(fmt::format("exporter {}: retries a batch of {} spans: {}", exporter_.name, rows,
                            std::string_view(error.message)));
    std::unique_lock lock(mutex_);
    const int64_t before_ns = deadline_ns_;
    const int64_t left_ns =
        deadline_ns_ == INT64_MAX ? backoff_ns : deadline_ns_ - clock_.MonotonicNs();
    wake_.wait_for(lock,
                   std::chrono::nanoseconds(std::min(backoff_ns, std::max<int64_t>(left_ns, 0))),
                   [&] { return deadline_ns_ != before_ns || forgotten_; });
    backoff_ns = std::min(backoff_ns * 2, config_.max_backoff_ns);
  }
  const Fate fate = outcome == WEFT_EXPORT_OK      ? Fate::kExported
                    : outcome == WEFT_EXPORT_RETRY ? Fate::kAbandoned
                                                   : Fate::kDropped;
  if (fate == Fate::kExported) counters_.delay.Add(Delays(*item.batch, clock_.UnixNs()));
  const bool handed_over = fate == Fate::kAbandoned && (config_.handed_over || forgotten_);
  (fate == Fate::kExported ? counters_.rows
   : handed_over           ? counters_.handed_over
                           : counters_.dropped)
      .Add(rows);
  if (fate != Fate::kExported && !handed_over)
    log_.Error(fmt::format("exporter {}: dropped a batch of {} spans: {}", exporter_.name, rows,
                           fate == Fate::kAbandoned ? std::string_view("no time left")
                                                    : std::string_view(error.message)));
  item.done(fate);
}

int32_t ExporterWorker::Call(const trace::ExportBatch& batch, weft_error* error) {
  const weft_traces traces = batch.traces.View();
  const weft_source source = batch.Source();
  try {
    return exporter_.table->export_spans(exporter_.instance, &batch.view.spans(), &traces, &source,
                                         error);
  } catch (...) {
    fmt::format_to_n(error->message, sizeof(error->message) - 1, "threw an exception{}", '\0');
    return WEFT_FAILED;
  }
}

void ExporterWorker::Flush() {
  if (exporter_.table->flush == nullptr) return;
  weft_error error{};
  int64_t deadline_ns = clock_.MonotonicNs() + 10 * kSecond;
  {
    std::lock_guard lock(mutex_);
    deadline_ns = std::max<int64_t>(std::min(deadline_ns, deadline_ns_), 0);
  }
  int32_t result = WEFT_FAILED;
  try {
    result = exporter_.table->flush(exporter_.instance, static_cast<uint64_t>(deadline_ns), &error);
  } catch (...) {
    fmt::format_to_n(error.message, sizeof(error.message) - 1, "threw an exception{}", '\0');
  }
  if (result != WEFT_OK)
    log_.Error(
        fmt::format("exporter {}: flush: {}", exporter_.name, std::string_view(error.message)));
}

}  // namespace weft::graph
