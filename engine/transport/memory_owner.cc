#include "engine/transport/memory_owner.h"

#include <algorithm>
#include <string>

namespace weft::transport {

Result<void> MemoryOwner::CheckOwned() {
  if (transport_.SeatOf(stage_, partition_).generation != generation_)
    return Fail(Code::kFenced, "partition " + std::to_string(partition_) + " has a newer owner");
  return {};
}

Result<void> MemoryOwner::ReadBack(Stream log, const std::function<void(const Record&)>& visit) {
  {
    const std::lock_guard lock(transport_.mutex_);
    WEFT_TRY(CheckOwned());
  }
  // The visitor runs outside the lock: it may take its time.
  for (const Record& record : transport_.Held(log, partition_)) visit(record);
  return {};
}

Result<void> MemoryOwner::Poll(size_t max_bytes, std::vector<Record>* out) {
  const size_t before = out->size();
  const int64_t now_ns = transport_.LogTimeNs();
  WEFT_TRY(ReadInputs(max_bytes, out));
  caught_up_ns_ = out->size() == before && !held_ ? std::optional(now_ns) : std::nullopt;
  return {};
}

Result<void> MemoryOwner::ReadInputs(size_t max_bytes, std::vector<Record>* out) {
  const std::lock_guard lock(transport_.mutex_);
  WEFT_TRY(CheckOwned());
  if (stage_ == Stage::kTrace) {
    if (!held_) Read(Stream::kSpans, max_bytes, &next_, out);
    return {};
  }
  // Links first: they are small, and answers free more than observations do.
  const size_t links = Read(Stream::kLinks, max_bytes, &next_link_, out);
  if (!held_) Read(Stream::kEvents, max_bytes > links ? max_bytes - links : 1, &next_, out);
  return {};
}

size_t MemoryOwner::Read(Stream stream, size_t max_bytes, uint64_t* next,
                         std::vector<Record>* out) {
  auto& log = transport_.LogOf(stream, partition_);
  const uint64_t first = log.first_offset();
  *next = std::max(*next, first);  // links older than the horizon are gone
  size_t bytes = 0;
  while (*next < log.next_offset) {
    const Record& record = log.records[*next - first];
    const size_t size = record.payload ? record.payload->bytes().size() : 0;
    if (bytes != 0 && bytes + size > max_bytes) break;
    bytes += std::max<size_t>(size, 1);
    out->push_back(record);
    ++*next;
  }
  log.polled = *next;
  return bytes;
}

}  // namespace weft::transport
