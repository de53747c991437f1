// Spool: what a process before left, and what is read back from files.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "engine/transport/spool.h"
#include "engine/transport/spool_count.h"

namespace weft::transport {

namespace fs = std::filesystem;

Result<std::unique_ptr<Spool>> Spool::Open(const SpoolOptions& options, const Clock& clock,
                                           Metrics& metrics, Logger& log) {
  std::unique_ptr<Spool> spool(new Spool(options, clock, metrics, log));
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error)
    return Fail(Code::kIo, fmt::format("spool {}: {}", options.folder.string(), error.message()));
  WEFT_TRY(spool->Lock());
  WEFT_TRY(spool->Recover());
  return spool;
}

Spool::~Spool() {
  const bool nothing_left = idle() && agents_.Farewells().empty();
  if (nothing_left)
    for (Segment& segment : segments_) Remove(segment);
  ShowGauges();
  if (lock_fd_ >= 0) close(lock_fd_);
}

// The lock ends with the process, however that ends.
Result<void> Spool::Lock() {
  const std::string path = options_.folder / "lock";
  lock_fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_fd_ < 0) return Fail(Code::kIo, fmt::format("spool {}: {}", path, std::strerror(errno)));
  if (flock(lock_fd_, LOCK_EX | LOCK_NB) == 0) return {};
  return Fail(Code::kIo, fmt::format("spool {}: another process uses it; each agent needs a folder "
                                     "of its own",
                                     options_.folder.string()));
}

Result<void> Spool::Recover() {
  std::vector<std::pair<uint64_t, fs::path>> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(options_.folder, error)) {
    const std::string name = entry.path().stem();
    uint64_t first = 0;
    if (entry.path().extension() == ".spool" &&
        std::from_chars(name.data(), name.data() + name.size(), first).ec == std::errc())
      files.emplace_back(first, entry.path());
  }
  if (error)
    return Fail(Code::kIo, fmt::format("spool {}: {}", options_.folder.string(), error.message()));
  std::sort(files.begin(), files.end());
  uint64_t below = 0;
  for (const auto& [first, path] : files) RecoverSegment(first, path, &below);
  own_first_ = next_;
  send_ = segments_.empty() ? next_ : std::max(below, segments_.front().first);
  if (options_.farewells)
    for (OutRecord& farewell : agents_.Farewells()) Append(std::move(farewell));
  own_first_ = next_;
  Collect();
  ShowGauges();
  if (const uint64_t records = count_->recovered_records.Get(); records > 0)
    log_.Warn(fmt::format("spool {}: {} records of a process before are published first",
                          options_.folder.string(), records));
  return {};
}

void Spool::RecoverSegment(uint64_t first, const fs::path& path, uint64_t* below) {
  Segment segment;
  segment.path = path;
  segment.first = segment.end = first;
  const auto bytes = SpoolFile::ReadAll(path);
  if (!bytes) {
    log_.Error("spool: " + bytes.error().message + "; it is left as it is");
    next_ = std::max(next_, first + 1);
    return;
  }
  SpoolSegmentReader reader(*bytes);
  if (!reader.head_valid()) {
    log_.Error(fmt::format("spool: {}: its head is damaged; its records are read all the same",
                           path.string()));
    count_->damaged_bytes.Add(std::min(bytes->size(), kSpoolHeadBytes));
  }
  *below = std::max(*below, reader.acknowledged_below());
  segment.cursor = reader.acknowledged_below();
  while (auto item = reader.Next()) {
    if (const auto* damage = std::get_if<SpoolDamage>(&*item)) {
      NoteDamage(segment, *damage, reader.torn());
      continue;
    }
    const SpoolFrame& frame = std::get<SpoolFrame>(*item);
    if (options_.farewells) {
      OutRecord record = frame.record;
      record.payload = CopyPayload(frame.payload);
      frame.kind == SpoolKind::kFarewell ? agents_.Restore(record) : agents_.Note(record);
    }
    if (frame.kind != SpoolKind::kRecord) continue;
    segment.end = std::max(segment.end, frame.index + 1);
    if (frame.index < *below) continue;
    count_->recovered_records.Add();
    count_->recovered.Add(frame.record.observations);
    count_->waiting.Add();
  }
  segment.bytes = segment.checked = bytes->size();
  bytes_ += segment.bytes;
  next_ = std::max(next_, segment.end + 1);  // the name of an empty one is taken too
  segments_.push_back(std::move(segment));
}

// Counted once, however often the segment is read.
bool Spool::NoteDamage(Segment& segment, const SpoolDamage& damage, bool torn) {
  if (damage.offset < segment.checked) return false;
  segment.checked = damage.offset + damage.bytes;
  count_->damaged_bytes.Add(damage.bytes);
  if (torn) {
    count_->torn.Add();
  } else {
    count_->damaged_records.Add(std::max<uint64_t>(damage.records, 1));
  }
  uint64_t observations = 0;
  if (damage.frame && damage.records != 0) {
    observations = damage.frame->record.observations;
    count_->DroppedFrom(damage.frame->record);
  }
  log_.Error(fmt::format("spool: {}, byte {}: {} ({} bytes, {} observations); what follows is read",
                         segment.path.string(), damage.offset, damage.what, damage.bytes,
                         observations));
  return true;
}

void Spool::Load(Segment& segment) {
  const auto bytes = SpoolFile::ReadAll(segment.path);
  if (!bytes) {
    log_.Error("spool: " + bytes.error().message);
    const uint64_t lost = std::min(segment.end, MemoryFirst()) - std::max(segment.first, send_);
    count_->damaged_records.Add(lost);
    count_->waiting.Add(uint64_t{0} - lost);
    return;
  }
  SpoolSegmentReader reader(*bytes);
  while (auto item = reader.Next()) {
    if (const auto* damage = std::get_if<SpoolDamage>(&*item)) {
      if (!NoteDamage(segment, *damage, reader.torn())) continue;
      count_->waiting.Add(uint64_t{0} - damage->records);
      if (damage->frame)
        if (const auto& receipt = ReceiptOf(damage->frame->index))
          receipt->Settle(damage->frame->record.ticket, false);
      continue;
    }
    const SpoolFrame& frame = std::get<SpoolFrame>(*item);
    if (frame.kind != SpoolKind::kRecord || frame.index < send_ || frame.index >= MemoryFirst())
      continue;
    OutRecord record = frame.record;
    record.payload = CopyPayload(frame.payload);
    loaded_.emplace_back(frame.index, std::move(record));
  }
}

}  // namespace weft::transport
