#include "engine/transport/spool_publisher.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace weft::transport {
namespace {

constexpr int64_t kSliceNs = 100 * kMillisecond;
// An inner publisher that does not wait itself is asked so often.
constexpr auto kRetry = std::chrono::milliseconds(2);

}  // namespace

// Passes on what became of records until the publisher ends: what is given up then stays on disk.
class SpoolPublisher::Acknowledgements final : public Receipt {
 public:
  explicit Acknowledgements(SpoolPublisher& publisher) : publisher_(publisher) {}
  void Settle(uint64_t ticket, bool delivered) override {
    const std::lock_guard lock(publisher_.mutex_);
    if (!delivered && publisher_.stopping_) return;
    publisher_.spool_->Settle(ticket, delivered);
    publisher_.changed_.notify_all();
  }
  bool Keeps() const override {
    const std::lock_guard lock(publisher_.mutex_);
    return publisher_.stopping_;
  }

 private:
  SpoolPublisher& publisher_;  // its end ends all deliveries first
};

Result<std::unique_ptr<SpoolPublisher>> SpoolPublisher::Open(const SpoolPublisherOptions& options,
                                                             std::unique_ptr<Publisher> inner,
                                                             const Clock& clock, Metrics& metrics,
                                                             Logger& log) {
  auto spool = Spool::Open(options.spool, clock, metrics, log);
  if (!spool) return std::unexpected(std::move(spool.error()));
  std::unique_ptr<SpoolPublisher> publisher(
      new SpoolPublisher(options, std::move(inner), clock, log));
  publisher->spool_ = std::move(*spool);
  publisher->receipt_ = std::make_shared<Acknowledgements>(*publisher);
  publisher->thread_ = std::thread([p = publisher.get()] { p->Run(); });
  return publisher;
}

SpoolPublisher::~SpoolPublisher() {
  CloseSources();
  {
    std::unique_lock lock(mutex_);
    if (thread_.joinable())
      changed_.wait_for(lock, std::chrono::nanoseconds(options_.close_wait_ns),
                        [&] { return spool_->idle(); });
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  inner_.reset();
}

Result<void> SpoolPublisher::Publish(OutRecord record, int64_t deadline_ns) {
  if (record.stream != Stream::kEvents || record.partition >= partitions() ||
      record.payload == nullptr || record.payload->bytes().size() > kMaxSpoolPayload)
    return Fail(Code::kInvalid, "publish: not a record for a partition of weft.events");
  const size_t bytes = record.payload->bytes().size();
  const int64_t wait_ns = std::max<int64_t>(deadline_ns - LogTimeNs(), 0);
  std::unique_lock lock(mutex_);
  if (options_.wait_when_full && !changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [&] {
        return closed_ || spool_->HasRoom(bytes);
      }))
    return Fail(Code::kFull, "publish: the spool is full");
  if (closed_) return Fail(Code::kCancelled, "publish: the transport is closed to sources");
  spool_->Append(std::move(record));
  changed_.notify_all();
  return {};
}

void SpoolPublisher::CloseSources() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

void SpoolPublisher::Run() {
  while (true) {
    std::optional<OutRecord> record;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::nanoseconds(std::max(options_.sync_every_ns, kSliceNs)),
                        [&] { return stopping_ || spool_->HasNext(); });
      if (stopping_) return;
      record = spool_->Next();
    }
    SyncWhenDue();
    if (!record) continue;
    record->receipt = receipt_;
    if (!Offer(*record)) return;
  }
}

bool SpoolPublisher::Offer(const OutRecord& record) {
  while (true) {
    const auto published = inner_->Publish(record, inner_->LogTimeNs() + kSliceNs);
    if (published) return true;
    if (published.error().code == Code::kCancelled) return false;
    if (published.error().code == Code::kInvalid) {  // it would stand in the way for ever
      log_.Error("spool: a record is dropped: " + published.error().message);
      record.Settle(false);
      return true;
    }
    SyncWhenDue();
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kRetry, [&] { return stopping_; })) return false;
  }
}

// Outside the lock: a disk may take its time.
void SpoolPublisher::SyncWhenDue() {
  std::vector<std::shared_ptr<const SpoolFile>> files;
  {
    const std::lock_guard lock(mutex_);
    if (clock_.MonotonicNs() < next_sync_ns_) return;
    next_sync_ns_ = clock_.MonotonicNs() + options_.sync_every_ns;
    files = spool_->ToSync();
  }
  for (const auto& file : files) {
    if (const auto synced = file->Sync(); !synced) {
      const std::lock_guard lock(mutex_);
      spool_->SyncFailed(synced.error());
    }
  }
}

}  // namespace weft::transport
