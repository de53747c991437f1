#include "engine/graph/exporter_worker.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <functional>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "engine/base/hash.h"

namespace weft::graph {
namespace {

// A shard that waits for room looks this often whether it is to end.
constexpr auto kLookEvery = std::chrono::milliseconds(20);
constexpr int64_t kSayMissedEveryNs = 60 * kSecond;

Histogram::Values Delays(const trace::ExportBatch& batch, int64_t now_ns) {
  Histogram::Values delays;
  const weft_spans& spans = batch.view.spans();
  for (uint32_t i = 0; i < spans.n; ++i)
    if ((spans.flags[i] & WEFT_FLAG_OPEN) == 0) delays.Observe(now_ns - spans.end_ns[i]);
  return delays;
}

std::string UtcSecond(int64_t unix_ns) {
  const time_t seconds = unix_ns / kSecond;
  std::tm parts{};
  char text[32];
  const size_t n =
      std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &parts));
  return {text, n};
}

}  // namespace

ExporterCounters::ExporterCounters(Metrics& m, const std::string& name)
    : rows(m.Get(fmt::format("sink.rows{{sink={}}}", name))),
      dropped(m.Get(fmt::format("sink.dropped{{sink={}}}", name))),
      overflowed(m.Get(fmt::format("sink.overflowed{{sink={}}}", name))),
      refused(m.Get(fmt::format("sink.refused{{sink={}}}", name))),
      handed_over(m.Get(fmt::format("sink.handed_over{{sink={}}}", name))),
      retries(m.Get(fmt::format("sink.retries{{sink={}}}", name))),
      pending(m.Get(fmt::format("sink.pending{{sink={}}}", name))),
      queued_bytes(m.Get(fmt::format("sink.queued_bytes{{sink={}}}", name))),
      delay(m.GetHistogram(fmt::format("sink.delay_ns{{sink={}}}", name))) {}

ExporterWorker::ExporterWorker(const ExporterConfig& config, Exporter exporter, const Clock& clock,
                               Metrics& metrics, Logger& log)
    : config_(config),
      exporter_(std::move(exporter)),
      queue_bytes_(exporter_.queue_bytes != 0 ? exporter_.queue_bytes : config.queue_bytes),
      clock_(clock),
      log_(log),
      counters_(metrics, exporter_.name),
      random_(static_cast<uint64_t>(clock.UnixNs())) {
  thread_ = std::thread([this] { Run(); });
}

ExporterWorker::~ExporterWorker() { Stop(INT64_MIN); }

void ExporterWorker::Push(trace::ExportBatchPtr batch, Done done,
                          const std::atomic<bool>* give_up) {
  const auto given_up = [&] { return give_up != nullptr && *give_up; };
  std::vector<Item> dropped;
  {
    std::unique_lock lock(mutex_);
    if (exporter_.drops_when_full) dropped = MakeRoom(batch->bytes);
    while (!given_up() && !exporter_.drops_when_full && !Fits(batch->bytes))
      room_.wait_for(lock, kLookEvery);
    if (given_up()) {  // asked under the lock: Forget comes after it was set
      lock.unlock();
      for (const Item& item : dropped) Drop(item);
      return Abandon(*batch, done);
    }
    bytes_ += batch->bytes;
    counters_.queued_bytes.Add(batch->bytes);
    counters_.pending.Add(batch->ended);
    queue_.push_back({std::move(batch), std::move(done), 0});
    wake_.notify_one();
  }
  for (const Item& item : dropped) Drop(item);
}

// Takes the oldest out that are not being delivered. What is being delivered is not tried again,
// and where its call does not come back at all the others do not wait for it.
std::vector<ExporterWorker::Item> ExporterWorker::MakeRoom(size_t bytes) {
  std::vector<Item> out;
  while (!Fits(bytes) && queue_.size() > (delivering_ ? 1u : 0u)) {
    const auto oldest = queue_.begin() + (delivering_ ? 1 : 0);
    Leave(*oldest);
    out.push_back(std::move(*oldest));
    queue_.erase(oldest);
  }
  if (out.empty()) return out;
  for (const Item& item : out) Miss(item);
  if (!std::exchange(full_, true))
    log_.Warn(fmt::format("exporter {}: {} MB wait for it: the oldest are dropped, and counted",
                          exporter_.name, QueueBytes() >> 20));
  if (!delivering_) return out;
  expendable_ = true;
  wake_.notify_one();
  if (!given_up_ && !settled_ && clock_.MonotonicNs() - called_ns_ > config_.call_patience_ns) {
    given_up_ = true;
    out.push_back(queue_.front());
    Miss(out.back());
  }
  return out;
}

void ExporterWorker::Miss(const Item& item) {
  missed_ += item.batch->ended - std::min<uint64_t>(item.taken, item.batch->ended);
  for (const int64_t start_ns : item.batch->traces.start_ns)
    missed_from_ns_ = std::min(missed_from_ns_, start_ns);
}

// Once the sink takes what comes, and now and then where it never does: who keeps the log can bring
// the rest from there.
void ExporterWorker::SayMissed() {
  if (missed_ == 0) return;
  said_missed_ns_ = clock_.MonotonicNs();
  log_.Warn(fmt::format(
      "exporter {0}: {1} spans were dropped. Through Kafka they are still there: weft replay "
      "--range {2}..{3} --exporter {0}",
      exporter_.name, missed_, UtcSecond(missed_from_ns_), UtcSecond(clock_.UnixNs() + kSecond)));
  missed_ = 0;
  missed_from_ns_ = INT64_MAX;
}

void ExporterWorker::Leave(const Item& item) {
  bytes_ -= item.batch->bytes;
  counters_.queued_bytes.Add(0 - item.batch->bytes);
  counters_.pending.Add(uint64_t{0} - item.batch->ended);
}

void ExporterWorker::Drop(const Item& item) {
  const uint64_t taken = std::min<uint64_t>(item.taken, item.batch->ended);
  counters_.rows.Add(taken);
  counters_.dropped.Add(item.batch->ended - taken);
  counters_.overflowed.Add(item.batch->ended - taken);
  item.done(Fate::kDropped);
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
    for (const Item& item : forgotten) Leave(item);
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
  ending_since_ns_ = std::min(ending_since_ns_, clock_.MonotonicNs());
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
    const Item item = queue_.front();
    delivering_ = true;
    given_up_ = false;
    settled_ = false;
    forgotten_ = false;
    expendable_ = false;
    called_ns_ = clock_.MonotonicNs();
    lock.unlock();
    Deliver(item);
    unflushed = true;
    lock.lock();
    delivering_ = false;
    Leave(queue_.front());
    queue_.pop_front();
    if (queue_.empty()) full_ = false;
    if (queue_.empty() || clock_.MonotonicNs() - said_missed_ns_ > kSayMissedEveryNs) SayMissed();
    room_.notify_all();
  }
  SayMissed();
  lock.unlock();
  if (unflushed) Flush();
}

int64_t ExporterWorker::EndNs() const {
  const bool patient =
      !exporter_.drops_when_full || ending_since_ns_ == INT64_MAX || failing_since_ns_ == INT64_MAX;
  if (patient) return deadline_ns_;
  return std::min(deadline_ns_,
                  std::max(ending_since_ns_, failing_since_ns_) + config_.end_patience_ns);
}

void ExporterWorker::Deliver(const Item& item) {
  int64_t backoff_ns = config_.first_backoff_ns;
  Answer answer;
  for (int attempt = 0;; ++attempt) {
    {
      std::unique_lock lock(mutex_);
      if (Expired() || forgotten_ || (attempt > 0 && expendable_)) break;
      called_ns_ = clock_.MonotonicNs();
    }
    answer = Call(*item.batch);
    {
      const std::lock_guard lock(mutex_);
      const bool more = answer.taken > queue_.front().taken;
      if (more) queue_.front().taken = answer.taken;
      if (answer.outcome != WEFT_EXPORT_RETRY)
        failing_since_ns_ = INT64_MAX;
      else if (more || failing_since_ns_ == INT64_MAX)
        failing_since_ns_ = clock_.MonotonicNs();
    }
    if (answer.outcome != WEFT_EXPORT_RETRY) break;
    counters_.retries.Add();
    if (attempt == 0)
      log_.Warn(fmt::format("exporter {}: retries a batch of {} spans: {}", exporter_.name,
                            item.batch->ended, std::string_view(answer.error.message)));
    WaitBefore(&backoff_ns, answer.retry_after_ns);
  }
  {
    std::lock_guard lock(mutex_);
    if (given_up_) return;  // settled by who gave it up
    settled_ = true;        // from here on nobody gives it up
    answer.taken = queue_.front().taken;
    if (answer.outcome == WEFT_EXPORT_RETRY && expendable_ && !forgotten_) Miss(queue_.front());
  }
  Settle(item, answer);
}

// Half of the pause is chance, so that many exporters do not come back at once.
void ExporterWorker::WaitBefore(int64_t* backoff_ns, uint64_t asked_ns) {
  random_ = Mix64(random_ + 1);
  const int64_t own_ns =
      *backoff_ns / 2 + static_cast<int64_t>(random_ >> 1) % (*backoff_ns / 2 + 1);
  const int64_t asked =
      static_cast<int64_t>(std::min(asked_ns, static_cast<uint64_t>(config_.max_pause_ns)));
  *backoff_ns = std::min(*backoff_ns * 2, config_.max_backoff_ns);
  std::unique_lock lock(mutex_);
  const int64_t before_ns = EndNs();
  const int64_t left_ns =
      before_ns == INT64_MAX ? INT64_MAX : std::max<int64_t>(before_ns - clock_.MonotonicNs(), 0);
  wake_.wait_for(lock, std::chrono::nanoseconds(std::min(std::max(own_ns, asked), left_ns)),
                 [&] { return EndNs() != before_ns || forgotten_ || expendable_; });
}

void ExporterWorker::Settle(const Item& item, const Answer& answer) {
  const uint64_t rows = item.batch->ended;
  if (answer.outcome == WEFT_EXPORT_OK) {
    const uint64_t refused = std::min(answer.refused, rows);
    if (refused > 0)
      log_.Warn(fmt::format("exporter {}: {} of {} spans were refused: {}", exporter_.name, refused,
                            rows, std::string_view(answer.error.message)));
    counters_.delay.Add(Delays(*item.batch, clock_.UnixNs()));
    counters_.rows.Add(rows - refused);
    counters_.refused.Add(refused);
    counters_.dropped.Add(refused);
    return item.done(refused == 0 ? Fate::kExported : Fate::kDropped);
  }
  const bool retry = answer.outcome == WEFT_EXPORT_RETRY;
  const bool overflowed = retry && expendable_ && !forgotten_;
  if (retry && !overflowed && (config_.handed_over || forgotten_))
    return Abandon(*item.batch, item.done);
  // What the sink took in any of the calls is there, whatever the last one said.
  const uint64_t taken = std::min(answer.taken, rows);
  counters_.rows.Add(taken);
  counters_.dropped.Add(rows - taken);
  if (overflowed) counters_.overflowed.Add(rows - taken);
  if (!retry) counters_.refused.Add(rows - taken);
  if (!overflowed)
    log_.Error(fmt::format(
        "exporter {}: dropped {} spans of a batch of {}: {}", exporter_.name, rows - taken, rows,
        retry ? std::string_view("no time left") : std::string_view(answer.error.message)));
  item.done(retry && !overflowed ? Fate::kAbandoned : Fate::kDropped);
}

ExporterWorker::Answer ExporterWorker::Call(const trace::ExportBatch& batch) {
  const weft_traces traces = batch.traces.View();
  const weft_source source = batch.Source();
  Answer answer;
  try {
    answer.outcome = exporter_.table->export_spans(exporter_.instance, &batch.view.spans(), &traces,
                                                   &source, &answer.error);
    if (exporter_.table->delivery != nullptr)
      exporter_.table->delivery(exporter_.instance, &answer.retry_after_ns, &answer.refused);
    if (exporter_.table->taken != nullptr && answer.outcome == WEFT_EXPORT_RETRY)
      answer.taken = exporter_.table->taken(exporter_.instance);
  } catch (...) {
    fmt::format_to_n(answer.error.message, sizeof(answer.error.message) - 1, "threw an exception{}",
                     '\0');
    answer.outcome = WEFT_FAILED;
  }
  return answer;
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
