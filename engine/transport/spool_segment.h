// The bytes of a spool's segment file: a head of 64 bytes, then frames.
//
//   segment  head frame...
//   frame    head of 64 bytes with a hash of its own and the body's; body, padded to 8 bytes
//   cursor   in the segment's head, written again and again: records below it are acknowledged
//
// Written by SpoolFile, read by Spool after a restart and when memory had no room. Whatever is
// damaged is passed over, told, and the rest is read. Free functions and a reader of bytes that it
// is lent; no I/O, no thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "engine/transport/transport.h"

namespace weft::transport {

enum class SpoolKind : uint8_t {
  kRecord = 1,
  kFarewell = 2,  // what to publish for an agent whose process did not come to its end
};

struct SpoolFrame {
  uint64_t index = 0;  // of the record in the spool; of a farewell: of the record after it
  SpoolKind kind = SpoolKind::kRecord;
  OutRecord record;          // its payload and receipt are not set
  std::string_view payload;  // lent
  size_t offset = 0;         // of the frame in the segment
};

// A stretch of a segment that could not be read.
struct SpoolDamage {
  size_t offset = 0, bytes = 0;
  uint64_t records = 0;             // in it, as far as what is around it tells
  std::optional<SpoolFrame> frame;  // where its head is whole; without payload
  std::string_view what;
};

inline constexpr size_t kSpoolHeadBytes = 64;
inline constexpr size_t kSpoolCursorOffset = 32;
inline constexpr size_t kSpoolFrameHeadBytes = 64;
inline constexpr size_t kMaxSpoolPayload = size_t{96} << 20;

std::string EncodeSpoolHead(uint64_t first_index, int64_t created_unix_ns);
std::string EncodeSpoolCursor(uint64_t acknowledged_below);
// The frame's head, to be followed by the payload and SpoolPadding(payload) zeros.
std::string EncodeSpoolFrameHead(uint64_t index, SpoolKind kind, const OutRecord& record);
inline size_t SpoolPadding(size_t payload_bytes) { return (8 - payload_bytes % 8) % 8; }
inline size_t SpoolFrameBytes(size_t payload_bytes) {
  return kSpoolFrameHeadBytes + payload_bytes + SpoolPadding(payload_bytes);
}

class SpoolSegmentReader {
 public:
  // `bytes` are 8-byte aligned or not; they outlive the reader and what it gives.
  explicit SpoolSegmentReader(std::string_view bytes);

  // False: the head is damaged; frames are read all the same, and nothing counts as acknowledged.
  bool head_valid() const { return head_valid_; }
  uint64_t first_index() const { return first_index_; }
  // 0 where the cursor is damaged: records are published again, which does no harm.
  uint64_t acknowledged_below() const { return acknowledged_below_; }

  // A frame that is whole, or a stretch that had to be passed over; nullopt at the end.
  std::optional<std::variant<SpoolFrame, SpoolDamage>> Next();
  // At the end: the last frame was not written to its end, as by a process that was killed.
  bool torn() const { return torn_; }

 private:
  enum class Body : uint8_t { kWhole, kDamaged, kBeyondEnd };
  std::optional<SpoolFrame> FrameAt(size_t offset, Body* body, size_t* bytes) const;
  SpoolDamage PassOver();

  const std::string_view bytes_;
  size_t at_ = 0;
  bool head_valid_ = false, torn_ = false;
  uint64_t first_index_ = 0, acknowledged_below_ = 0;
  uint64_t next_index_ = 0;  // 0: not known yet
};

}  // namespace weft::transport
