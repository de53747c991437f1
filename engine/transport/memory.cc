#include "engine/transport/memory.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "engine/base/check.h"
#include "engine/transport/memory_membership.h"
#include "engine/transport/memory_owner.h"

namespace weft::transport {
namespace {

constexpr size_t kHeartbeatBytes = 16 << 10;
constexpr size_t kMaxDeadBytes = size_t{8} << 20;
// A waiter looks at the log's clock this often: it need not run at the pace of real time.
constexpr auto kWaitSlice = std::chrono::milliseconds(50);

bool Counted(Stream s) { return s == Stream::kEvents || s == Stream::kSpans; }
size_t SizeOf(const PayloadPtr& p) { return p ? p->bytes().size() : 0; }

std::chrono::nanoseconds Slice(int64_t remaining_ns) {
  return std::min<std::chrono::nanoseconds>(kWaitSlice, std::chrono::nanoseconds(remaining_ns));
}

}  // namespace

MemoryTransport::MemoryTransport(const MemoryOptions& options, const Clock& clock, Metrics& metrics)
    : options_(options),
      clock_(clock),
      admitted_gauge_(metrics.Get("transport.admitted_bytes")),
      log_trimmed_(metrics.Get("transport.log_trimmed")),
      full_(metrics.Get("transport.publish_full")),
      logs_(kStreams * options.partitions),
      state_(options.partitions) {
  WEFT_CHECK(options.partitions > 0);
  for (uint32_t i = 0; i < 2 * options.partitions; ++i) {
    seats_.push_back(std::make_unique<Seat>());
    seats_.back()->generation = options.first_generation;
  }
}

MemoryTransport::~MemoryTransport() = default;

MemoryTransport::Log& MemoryTransport::LogOf(Stream stream, uint32_t partition) {
  return logs_[static_cast<size_t>(stream) * options_.partitions + partition];
}
const MemoryTransport::Log& MemoryTransport::LogOf(Stream stream, uint32_t partition) const {
  return logs_[static_cast<size_t>(stream) * options_.partitions + partition];
}

MemoryTransport::Seat& MemoryTransport::SeatOf(Stage stage, uint32_t partition) {
  return *seats_[(stage == Stage::kTrace ? options_.partitions : 0) + partition];
}

bool MemoryTransport::Fits(size_t bytes) const {
  if (admitted_ == 0) return true;  // whatever its size, or it could never go
  const size_t bound = AllowedNow(options_.share, options_.max_bytes);
  const size_t limit = bytes <= kHeartbeatBytes ? bound + bound / 8 : bound;
  return admitted_ + bytes <= limit;
}

Result<void> MemoryTransport::Publish(OutRecord record, int64_t deadline_ns) {
  if (!Counted(record.stream) || record.partition >= options_.partitions)
    return Fail(Code::kInvalid, "publish: not a partition of weft.events or weft.spans");
  const size_t bytes = SizeOf(record.payload);
  const std::shared_ptr<Receipt> receipt = std::move(record.receipt);
  const uint64_t ticket = record.ticket;
  Garbage garbage;
  std::unique_lock lock(mutex_);
  while (!closed_ && !Fits(bytes)) {
    const int64_t remaining = deadline_ns - clock_.MonotonicNs();
    if (!options_.blocking || remaining <= 0) {
      full_.Add();
      return Fail(Code::kFull, "publish: " + std::to_string(admitted_) + " bytes are waiting");
    }
    room_.wait_for(lock, Slice(remaining));
  }
  if (closed_) return Fail(Code::kCancelled, "publish: the transport is closed to sources");
  Append(std::move(record), &garbage);
  lock.unlock();
  if (receipt) receipt->Settle(ticket, true);
  return {};
}

void MemoryTransport::Append(OutRecord out, Garbage* garbage) {
  const int64_t now = clock_.MonotonicNs();
  Log& log = LogOf(out.stream, out.partition);
  log.last_append_ns = std::max(log.last_append_ns, now);
  Record record{out.stream,         out.partition,         out.type, out.key, log.next_offset++,
                log.last_append_ns, std::move(out.payload)};
  const size_t bytes = SizeOf(record.payload);
  if (out.stream == Stream::kState) {
    auto& table = state_[out.partition];
    auto& slot = table[out.key];
    stream_bytes_[static_cast<size_t>(Stream::kState)] -= SizeOf(slot.payload);
    garbage->push_back(std::move(slot));
    if (record.payload == nullptr) {
      table.erase(out.key);
    } else {
      stream_bytes_[static_cast<size_t>(Stream::kState)] += bytes;
      slot = std::move(record);
    }
    return;
  }
  stream_bytes_[static_cast<size_t>(out.stream)] += bytes;
  log.records.push_back(std::move(record));
  if (Counted(out.stream)) {
    admitted_ += bytes;
    admitted_gauge_.Set(admitted_);
  } else {
    Trim(out.stream, out.partition, garbage);
  }
  const bool stitch = out.stream == Stream::kEvents || out.stream == Stream::kLinks;
  if (stitch || out.stream == Stream::kSpans) {
    Seat& seat = SeatOf(stitch ? Stage::kStitch : Stage::kTrace, out.partition);
    ++seat.wakeups;
    seat.readable.notify_all();
  }
}

// The horizon begins where a new owner would: at the oldest record that is not decided.
void MemoryTransport::Trim(Stream stream, uint32_t partition, Garbage* garbage) {
  size_t& bytes = stream_bytes_[static_cast<size_t>(stream)];
  Log& log = LogOf(stream, partition);
  int64_t from = log.last_append_ns;
  const auto& input =
      LogOf(stream == Stream::kDecisions ? Stream::kSpans : Stream::kEvents, partition);
  if (stream != Stream::kDead && !input.records.empty())
    from = std::min(from, input.records.front().append_ns);
  int64_t oldest = from - options_.horizon_ns;
  if (stream == Stream::kLinks)
    oldest = std::min(oldest, SeatOf(Stage::kStitch, partition).links_from_ns);
  const size_t bound =
      stream == Stream::kDead ? kMaxDeadBytes : AllowedNow(options_.share, options_.max_log_bytes);
  while (log.records.size() > 1) {
    Record& first = log.records.front();
    if (first.append_ns >= oldest && bytes <= bound) break;
    if (stream == Stream::kLinks && first.offset >= log.polled) break;
    if (first.append_ns >= oldest) log_trimmed_.Add();
    bytes -= SizeOf(first.payload);
    garbage->push_back(std::move(first));
    log.records.pop_front();
  }
}

Result<void> MemoryTransport::Commit(Stage stage, uint32_t partition, uint64_t generation,
                                     Transaction tx) {
  Garbage garbage;
  const std::lock_guard lock(mutex_);
  Seat& seat = SeatOf(stage, partition);
  if (seat.generation != generation)
    return Fail(Code::kFenced, "partition " + std::to_string(partition) + " has a newer owner");
  const Stream input = stage == Stage::kStitch ? Stream::kEvents : Stream::kSpans;
  Log& log = LogOf(input, partition);
  for (const OutRecord& out : tx.out)
    if (out.partition >= options_.partitions)
      return Fail(Code::kInvalid, "commit: no such partition");
  if (tx.commit_offset &&
      (*tx.commit_offset < seat.committed || *tx.commit_offset > log.next_offset))
    return Fail(Code::kInvalid, "commit: offset outside of what was read");
  if (tx.links_from_ns != INT64_MIN &&
      (seat.links_from_ns == INT64_MAX || tx.links_from_ns > seat.links_from_ns))
    seat.links_from_ns = tx.links_from_ns;
  for (OutRecord& out : tx.out) Append(std::move(out), &garbage);
  if (!tx.commit_offset) return {};
  seat.committed = *tx.commit_offset;
  while (!log.records.empty() && log.records.front().offset < seat.committed) {
    const size_t bytes = SizeOf(log.records.front().payload);
    admitted_ -= bytes;
    stream_bytes_[static_cast<size_t>(input)] -= bytes;
    garbage.push_back(std::move(log.records.front()));
    log.records.pop_front();
  }
  admitted_gauge_.Set(admitted_);
  room_.notify_all();
  return {};
}

Result<std::unique_ptr<Membership>> MemoryTransport::Join(Stage) {
  return std::make_unique<MemoryMembership>(options_.partitions);
}

Result<std::unique_ptr<PartitionOwner>> MemoryTransport::Own(Stage stage, uint32_t partition) {
  if (partition >= options_.partitions) return Fail(Code::kInvalid, "own: no such partition");
  const std::lock_guard lock(mutex_);
  Seat& seat = SeatOf(stage, partition);
  ++seat.generation;
  return std::make_unique<MemoryOwner>(*this, stage, partition, seat.generation, seat.committed,
                                       LogOf(Stream::kLinks, partition).first_offset());
}

void MemoryTransport::WaitReadable(Stage stage, uint32_t partition, int64_t deadline_ns) {
  if (!options_.blocking) return;
  std::unique_lock lock(mutex_);
  Seat& seat = SeatOf(stage, partition);
  const uint64_t seen = std::exchange(seat.wakeups, 0);
  if (seen != 0) return;  // something came since the last wait
  while (seat.wakeups == 0 && !closed_) {
    const int64_t remaining = deadline_ns - clock_.MonotonicNs();
    if (remaining <= 0) return;
    seat.readable.wait_for(lock, Slice(remaining));
  }
  seat.wakeups = 0;
}

void MemoryTransport::CloseSources() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  room_.notify_all();
  for (auto& seat : seats_) seat->readable.notify_all();
}

size_t MemoryTransport::AdmittedBytes() const {
  const std::lock_guard lock(mutex_);
  return admitted_;
}

std::vector<Record> MemoryTransport::Held(Stream stream, uint32_t partition) const {
  const std::lock_guard lock(mutex_);
  if (stream == Stream::kState) {
    std::vector<Record> all;
    for (const auto& [key, record] : state_[partition]) all.push_back(record);
    return all;
  }
  const auto& records = LogOf(stream, partition).records;
  return {records.begin(), records.end()};
}

uint64_t MemoryTransport::CommittedOffset(Stage stage, uint32_t partition) const {
  const std::lock_guard lock(mutex_);
  return const_cast<MemoryTransport*>(this)->SeatOf(stage, partition).committed;
}

}  // namespace weft::transport
