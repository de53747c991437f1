#include "engine/transport/spool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "engine/transport/spool_count.h"

namespace weft::transport {
namespace {

constexpr uint64_t kLeastSegment = 64 << 10;
constexpr uint64_t kMostSegment = 8 << 20;
constexpr int64_t kRetryNs = kSecond;

size_t SizeOf(const OutRecord& record) { return record.payload->bytes().size(); }

}  // namespace

Spool::Spool(const SpoolOptions& options, const Clock& clock, Metrics& metrics, Logger& log)
    : options_(options),
      segment_bytes_(options.segment_bytes != 0
                         ? options.segment_bytes
                         : std::clamp(options.max_bytes / 8, kLeastSegment, kMostSegment)),
      clock_(clock),
      log_(log),
      count_(std::make_unique<SpoolCount>(metrics)) {}

bool Spool::HasRoom(size_t payload_bytes) const {
  if (failing_ && fresh_bytes_ + payload_bytes > options_.memory_bytes && !fresh_.empty())
    return false;
  return bytes_ + SpoolFrameBytes(payload_bytes) <= options_.max_bytes || segments_.size() <= 1;
}

void Spool::Append(OutRecord record) {
  const uint64_t index = next_;
  if (receipts_.empty() || receipts_.back().second != record.receipt)
    receipts_.emplace_back(index, record.receipt);
  record.receipt = nullptr;
  count_->records.Add();
  count_->waiting.Add();
  const bool stored = Store(index, record);
  if (!stored) count_->unstored.Add();
  if (options_.farewells) agents_.Note(record);
  ++next_;
  fresh_bytes_ += SizeOf(record);
  fresh_.push_back({std::move(record), stored});
  TrimMemory();
  ShowGauges();
}

bool Spool::Store(uint64_t index, const OutRecord& record) {
  if (failing_ && clock_.MonotonicNs() < retry_ns_) return false;
  const size_t bytes = SpoolFrameBytes(SizeOf(record));
  MakeRoom(bytes);
  // Indices of one segment are without a gap, so that a gap shows damage.
  if (writing_ &&
      (segments_.back().end != index || (segments_.back().bytes > kSpoolHeadBytes &&
                                         segments_.back().bytes + bytes > segment_bytes_)))
    EndSegment();
  Result<void> stored;
  if (!writing_) stored = StartSegment(index);
  if (stored) {
    Segment& segment = segments_.back();
    stored = segment.file->Append(index, SpoolKind::kRecord, record);
    Grown(segment);
    if (stored) segment.end = index + 1;
  }
  if (!stored) {
    DiskFailed(stored.error());
    return false;
  }
  if (std::exchange(failing_, false)) log_.Warn("spool: the disk takes records again");
  return true;
}

Result<void> Spool::StartSegment(uint64_t index) {
  Segment segment;
  segment.path = options_.folder / fmt::format("{:020}.spool", index);
  segment.first = segment.end = index;
  auto file = SpoolFile::Create(segment.path, index, clock_.UnixNs());
  if (!file) return std::unexpected(std::move(file.error()));
  segment.file = std::move(*file);
  for (const OutRecord& farewell : agents_.Farewells()) {
    if (auto written = segment.file->Append(index, SpoolKind::kFarewell, farewell); !written) {
      segment.file.reset();
      std::error_code ignored;
      std::filesystem::remove(segment.path, ignored);
      return written;
    }
  }
  segments_.push_back(std::move(segment));
  writing_ = true;
  Grown(segments_.back());
  return {};
}

void Spool::Grown(Segment& segment) {
  bytes_ += segment.file->bytes() - segment.bytes;
  segment.bytes = segment.file->bytes();
}

void Spool::EndSegment() {
  writing_ = false;
  ended_.emplace_back(segments_.back().end, std::move(segments_.back().file));
  segments_.back().file = nullptr;
  Collect();
}

void Spool::DiskFailed(const Error& error) {
  count_->write_errors.Add();
  if (!std::exchange(failing_, true))
    log_.Error(
        fmt::format("spool: {}; what cannot be published at once stays in memory, {} MB of "
                    "it, until the disk takes it again",
                    error.message, options_.memory_bytes >> 20));
  retry_ns_ = clock_.MonotonicNs() + kRetryNs;
  if (writing_) EndSegment();
}

void Spool::MakeRoom(size_t bytes) {
  while (bytes_ + bytes > options_.max_bytes && !segments_.empty()) {
    if (segments_.size() == 1 && writing_) EndSegment();
    if (!segments_.empty()) DropOldest();
  }
}

void Spool::TrimMemory() {
  while (fresh_bytes_ > options_.memory_bytes && fresh_.size() > 1) {
    const uint64_t index = MemoryFirst();
    Fresh oldest = std::move(fresh_.front());
    fresh_.pop_front();
    fresh_bytes_ -= SizeOf(oldest.record);
    if (!oldest.stored) Drop(oldest.record, index);
  }
}

// What was handed out already stays on its way; what memory has is published from there.
void Spool::DropOldest() {
  Segment& oldest = segments_.front();
  const uint64_t end = std::min(oldest.end, MemoryFirst());
  while (send_ < end) {
    if (loaded_.empty()) Load(oldest);
    if (loaded_.empty() || loaded_.front().first >= end) {
      send_ = end;
      break;
    }
    send_ = loaded_.front().first + 1;
    Drop(loaded_.front().second, send_ - 1);
    loaded_.pop_front();
  }
  for (uint64_t i = std::max(oldest.first, MemoryFirst()); i < oldest.end; ++i)
    fresh_[i - MemoryFirst()].stored = false;
  Remove(oldest);
  segments_.pop_front();
}

void Spool::Remove(const Segment& segment) {
  bytes_ -= segment.bytes;
  std::error_code error;
  std::filesystem::remove(segment.path, error);
  if (error) log_.Error(fmt::format("spool: {}: {}", segment.path.string(), error.message()));
}

void Spool::Drop(const OutRecord& record, uint64_t index) {
  count_->Dropped(record);
  count_->waiting.Add(uint64_t{0} - 1);
  if (const auto& receipt = ReceiptOf(index)) receipt->Settle(record.ticket, false);
}

Spool::Segment* Spool::NextToLoad() {
  for (Segment& segment : segments_)
    if (segment.end > send_ && segment.first < MemoryFirst()) return &segment;
  return nullptr;
}

std::optional<OutRecord> Spool::Next() {
  while (loaded_.empty() && send_ < MemoryFirst()) {
    Segment* segment = NextToLoad();
    // A gap is of records that were dropped, or damaged.
    if (segment == nullptr) {
      send_ = MemoryFirst();
    } else {
      const uint64_t end = std::min(segment->end, MemoryFirst());
      Load(*segment);
      if (loaded_.empty()) send_ = std::max(send_, end);
    }
  }
  OutRecord record;
  if (!loaded_.empty()) {
    send_ = loaded_.front().first;
    record = std::move(loaded_.front().second);
    loaded_.pop_front();
    count_->read_back.Add();
  } else if (!fresh_.empty()) {
    send_ = MemoryFirst();
    record = std::move(fresh_.front().record);
    fresh_.pop_front();
    fresh_bytes_ -= SizeOf(record);
  } else {
    return std::nullopt;
  }
  OutRecord& kept = in_flight_[send_] = record;
  kept.payload = nullptr;
  record.ticket = send_++;
  return record;
}

void Spool::Settle(uint64_t ticket, bool delivered) {
  const auto at = in_flight_.find(ticket);
  if (at == in_flight_.end()) return;
  const OutRecord record = std::move(at->second);
  in_flight_.erase(at);
  if (delivered) {
    count_->delivered.Add();
    count_->waiting.Add(uint64_t{0} - 1);
    if (ticket < own_first_) count_->recovered_published.Add(record.observations);
    if (const auto& receipt = ReceiptOf(ticket)) receipt->Settle(record.ticket, true);
  } else {
    Drop(record, ticket);
  }
  Collect();
  ShowGauges();
}

// Everything below is settled.
uint64_t Spool::SettledBelow() const {
  return in_flight_.empty() ? send_ : in_flight_.begin()->first;
}

void Spool::Collect() {
  const uint64_t below = SettledBelow();
  while (!segments_.empty() && segments_.front().end <= below &&
         !(writing_ && segments_.size() == 1)) {
    Remove(segments_.front());
    segments_.pop_front();
  }
  while (receipts_.size() > 1 && receipts_[1].first <= below) receipts_.pop_front();
  if (segments_.empty() || segments_.front().cursor >= below) return;
  Segment& front = segments_.front();
  if (!front.file) {
    auto file = SpoolFile::Open(front.path);
    if (!file) return;  // nothing but duplicates comes of it
    front.file = std::move(*file);
  }
  if (front.file->Acknowledge(below)) front.cursor = below;
}

std::vector<std::shared_ptr<const SpoolFile>> Spool::ToSync() {
  const bool waits = sync_mark_ != 0 && SettledBelow() < sync_mark_ && synced_ != next_;
  sync_mark_ = next_;
  std::erase_if(ended_, [below = SettledBelow()](const auto& e) { return e.first <= below; });
  if (!waits) return {};
  std::vector<std::shared_ptr<const SpoolFile>> files;
  for (auto& [end, file] : std::exchange(ended_, {})) files.push_back(std::move(file));
  if (writing_) files.push_back(segments_.back().file);
  synced_ = next_;
  count_->syncs.Add(files.size());
  return files;
}

const std::shared_ptr<Receipt>& Spool::ReceiptOf(uint64_t index) const {
  static const std::shared_ptr<Receipt> kNone;
  const std::shared_ptr<Receipt>* found = &kNone;
  for (const auto& [first, receipt] : receipts_) {
    if (first > index) break;
    found = &receipt;
  }
  return *found;
}

void Spool::ShowGauges() { count_->bytes.Set(bytes_); }

}  // namespace weft::transport
