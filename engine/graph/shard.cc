#include "engine/graph/shard.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "engine/base/clock.h"

namespace weft::graph {

using transport::Stage;

namespace {

constexpr int64_t kShowEvery = 100 * kMillisecond;
// An offset alone is not worth a transaction of its own, which takes 2 ms of a core with Kafka: it
// waits so long for a step that has something to say. Whoever takes over reads that much more.
constexpr int64_t kOffsetPatience = 500 * kMillisecond;

}  // namespace

Shard::Shard(transport::Transport& transport, std::unique_ptr<transport::PartitionOwner> owner,
             const ShardLimits& limits, Metrics& metrics)
    : transport_(transport),
      owner_(std::move(owner)),
      limits_(limits),
      name_(fmt::format("{} partition {}", owner_->stage() == Stage::kStitch ? "stitch" : "trace",
                        owner_->partition())),
      metrics_(metrics, owner_->stage(), owner_->partition()) {}

Result<void> Shard::ReadBack(transport::Stream log,
                             const std::function<void(const transport::Record&)>& restore) {
  auto result = owner_->ReadBack(log, restore);
  if (!result) return Context(std::move(result.error()), name_);
  return result;
}

bool Shard::Exchange() {
  try {
    if (dropped_ || !Commit() || failure()) return false;
    if (dropped_) return false;
    if (ending_ || Ended()) {
      if (waiting_.commit_offset) Commit(std::exchange(waiting_, {}));
      return false;
    }
    Renew();
    if (auto read = Read(); !read) {
      Fail(std::move(read.error()));
      return false;
    }
    return true;
  } catch (const std::exception& e) {
    Fail({Code::kInternal, fmt::format("exception: {}", e.what())});
  } catch (...) {
    Fail({Code::kInternal, "exception of unknown type"});
  }
  return false;
}

void Shard::Renew() {
  if (!renewal_ || leaving_) return;
  auto plugins = renewal_();
  if (!plugins) return;
  Replace(*plugins);
  resources_ = std::move(plugins->instances);
}

Result<void> Shard::Read() {
  records_.clear();
  caught_up_ = false;
  if (leaving_) {  // what is waited for comes from the exporters
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return {};
  }
  held_ = !finishing_ && !WantsInput();
  owner_->HoldInput(held_);
  WEFT_TRY(ReadAvailable());
  if (!records_.empty()) return {};
  if (held_) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // the input is readable
  transport_.WaitReadable(
      owner_->stage(), owner_->partition(),
      transport_.LogTimeNs() + (finishing_ ? 2 * kMillisecond : limits_.tick_ns));
  WEFT_TRY(ReadAvailable());
  // A transport whose sources are closed does not wait any more; what is left comes from the stages
  // and the exporters, and must not be waited for at full speed.
  if (records_.empty() && finishing_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return {};
}

// Reads until nothing comes any more, so that time may be told to the stage, or enough is there.
Result<void> Shard::ReadAvailable() {
  for (size_t bytes = 0;;) {
    const size_t before = records_.size();
    const bool finishing = finishing_;  // before the poll, see input_ended()
    WEFT_TRY(owner_->Poll(limits_.poll_bytes - bytes, &records_));
    if (const auto caught_up_ns = owner_->CaughtUp()) {
      caught_up_ = true;
      now_ns_ = *caught_up_ns;
      input_ended_ = finishing && now_ns_ >= finish_ns_;
    }
    if (records_.size() == before) return {};
    const size_t bytes_before = bytes;
    for (size_t i = before; i < records_.size(); ++i) {
      bytes += records_[i].payload->bytes().size();
      if (records_[i].stream != transport::Stream::kLinks) input_read_ns_ = records_[i].append_ns;
    }
    metrics_.read_bytes.Add(bytes - bytes_before);
    if (bytes >= limits_.poll_bytes) return {};
  }
}

void Shard::Compute() {
  try {
    transaction_ = Step(records_, now_ns_, caught_up_);
    Show();
  } catch (const std::exception& e) {
    Fail({Code::kInternal, fmt::format("exception: {}", e.what())});
  } catch (...) {
    Fail({Code::kInternal, "exception of unknown type"});
  }
}

void Shard::Show() {
  const int64_t now_ns = transport_.LogTimeNs();
  if (now_ns < next_show_ns_) return;
  next_show_ns_ = now_ns + kShowEvery;
  if (held_)  // what is read meanwhile are links, which are always new
    metrics_.lag.Set(input_read_ns_ == 0 ? 0 : now_ns - input_read_ns_);
  else
    metrics_.lag.Set(caught_up_ || records_.empty() ? 0 : now_ns - records_.back().append_ns);
  ShowState(metrics_);
}

bool Shard::Commit() {
  auto next = std::exchange(transaction_, std::nullopt);
  if (!next) return true;
  if (!next->commit_offset) next->commit_offset = waiting_.commit_offset;
  next->links_from_ns = std::max(next->links_from_ns, waiting_.links_from_ns);
  waiting_ = {};
  const bool hurry = leaving_ || ending_ || finishing_;
  if (next->out.empty() && next->commit_offset && !hurry &&
      transport_.LogTimeNs() - kOffsetPatience < committed_ns_) {
    waiting_ = std::move(*next);
  } else if (!next->out.empty() || next->commit_offset) {
    if (!Commit(std::move(*next))) return false;
  }
  Committed();
  return true;
}

bool Shard::Commit(transport::Transaction transaction) {
  size_t bytes = 0;
  for (const auto& record : transaction.out)
    if (record.payload) bytes += record.payload->bytes().size();
  const int64_t begin_ns = transport_.LogTimeNs();
  auto committed = owner_->Commit(std::move(transaction));
  committed_ns_ = transport_.LogTimeNs();
  metrics_.commit.Observe(committed_ns_ - begin_ns);
  metrics_.written_bytes.Add(bytes);
  if (!committed) Fail(std::move(committed.error()));
  return committed.has_value();
}

void Shard::Fail(Error error) {
  std::lock_guard lock(mutex_);
  if (!failure_) failure_ = Error{error.code, name_ + ": " + error.message};
}

std::optional<Error> Shard::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace weft::graph
