#include "engine/transport/spool_segment.h"

#include <algorithm>
#include <cstring>

#include <xxhash.h>

namespace weft::transport {
namespace {

constexpr char kMagic[8] = {'W', 'E', 'F', 'T', 'S', 'P', 'L', '1'};
constexpr uint32_t kFrameMagic = 0x57f3a6e1;

struct Head {
  char magic[8];
  uint64_t first_index;
  int64_t created_unix_ns;
  uint64_t hash;
};
struct Cursor {
  uint64_t below, hash;
};
static_assert(sizeof(Head) == kSpoolCursorOffset);
static_assert(sizeof(Head) + sizeof(Cursor) <= kSpoolHeadBytes);

struct FrameHead {
  uint32_t magic, bytes;
  uint64_t index, key, ticket;
  uint32_t partition, observations;
  uint8_t type, kind;
  uint16_t zero;
  uint32_t more_zero;
  uint64_t body_hash, head_hash;
};
static_assert(sizeof(FrameHead) == kSpoolFrameHeadBytes);

template <typename T>
uint64_t HashOf(const T& head) {
  return XXH3_64bits(&head, sizeof(T) - sizeof(uint64_t));
}

template <typename T>
std::string Text(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

template <typename T>
bool Read(std::string_view bytes, size_t offset, T* out) {
  if (bytes.size() < sizeof(T) || offset > bytes.size() - sizeof(T)) return false;
  std::memcpy(out, bytes.data() + offset, sizeof(T));
  return true;
}

}  // namespace

std::string EncodeSpoolHead(uint64_t first_index, int64_t created_unix_ns) {
  Head head{{}, first_index, created_unix_ns, 0};
  std::memcpy(head.magic, kMagic, sizeof kMagic);
  head.hash = HashOf(head);
  std::string out = Text(head) + EncodeSpoolCursor(0);
  out.resize(kSpoolHeadBytes);
  return out;
}

std::string EncodeSpoolCursor(uint64_t acknowledged_below) {
  Cursor cursor{acknowledged_below, 0};
  cursor.hash = HashOf(cursor);
  return Text(cursor);
}

std::string EncodeSpoolFrameHead(uint64_t index, SpoolKind kind, const OutRecord& record) {
  const std::string_view body = record.payload->bytes();
  FrameHead head{};
  head.magic = kFrameMagic;
  head.bytes = static_cast<uint32_t>(body.size());
  head.index = index;
  head.key = record.key;
  head.ticket = record.ticket;
  head.partition = record.partition;
  head.observations = record.observations;
  head.type = static_cast<uint8_t>(record.type);
  head.kind = static_cast<uint8_t>(kind);
  head.body_hash = XXH3_64bits(body.data(), body.size());
  head.head_hash = HashOf(head);
  return Text(head);
}

SpoolSegmentReader::SpoolSegmentReader(std::string_view bytes)
    : bytes_(bytes), at_(std::min(bytes.size(), kSpoolHeadBytes)) {
  Head head;
  head_valid_ = Read(bytes, 0, &head) && std::memcmp(head.magic, kMagic, sizeof kMagic) == 0 &&
                head.hash == HashOf(head);
  if (!head_valid_) return;
  first_index_ = next_index_ = head.first_index;
  Cursor cursor;
  if (Read(bytes, kSpoolCursorOffset, &cursor) && cursor.hash == HashOf(cursor))
    acknowledged_below_ = cursor.below;
}

// nullopt: no frame begins here. The payload is only there where the body is whole.
std::optional<SpoolFrame> SpoolSegmentReader::FrameAt(size_t offset, Body* body,
                                                      size_t* bytes) const {
  FrameHead head;
  if (!Read(bytes_, offset, &head) || head.magic != kFrameMagic || head.head_hash != HashOf(head) ||
      head.bytes > kMaxSpoolPayload || head.kind < 1 || head.kind > 2)
    return std::nullopt;
  SpoolFrame frame;
  frame.index = head.index;
  frame.kind = static_cast<SpoolKind>(head.kind);
  frame.record.partition = head.partition;
  frame.record.type = static_cast<RecordType>(head.type);
  frame.record.key = head.key;
  frame.record.ticket = head.ticket;
  frame.record.observations = head.observations;
  frame.offset = offset;
  *bytes = std::min(SpoolFrameBytes(head.bytes), bytes_.size() - offset);
  if (*bytes < kSpoolFrameHeadBytes + head.bytes) {
    *body = Body::kBeyondEnd;
    return frame;
  }
  const std::string_view payload = bytes_.substr(offset + kSpoolFrameHeadBytes, head.bytes);
  *body =
      XXH3_64bits(payload.data(), payload.size()) == head.body_hash ? Body::kWhole : Body::kDamaged;
  if (*body == Body::kWhole) frame.payload = payload;
  return frame;
}

// To the next place where a frame begins, or the end. Frames begin at multiples of 8.
SpoolDamage SpoolSegmentReader::PassOver() {
  SpoolDamage damage;
  damage.offset = at_;
  damage.what = "no record begins here";
  std::optional<SpoolFrame> next;
  Body body = Body::kWhole;
  size_t bytes = 0;
  for (at_ += 8; at_ < bytes_.size() && !next; at_ += next ? 0 : 8)
    next = FrameAt(at_, &body, &bytes);
  at_ = std::min(at_, bytes_.size());
  damage.bytes = at_ - damage.offset;
  torn_ = !next;
  if (next && next_index_ != 0 && next->index > next_index_)
    damage.records = next->index - next_index_;
  return damage;
}

std::optional<std::variant<SpoolFrame, SpoolDamage>> SpoolSegmentReader::Next() {
  if (at_ >= bytes_.size()) return std::nullopt;
  Body body = Body::kWhole;
  size_t bytes = 0;
  const auto frame = FrameAt(at_, &body, &bytes);
  if (!frame) return PassOver();
  const bool record = frame->kind == SpoolKind::kRecord;
  at_ += bytes;
  next_index_ = frame->index + record;
  if (body == Body::kWhole) return *frame;
  torn_ = body == Body::kBeyondEnd;
  return SpoolDamage{
      frame->offset, bytes, record, frame,
      torn_ ? "a record was not written to its end" : "the checksum of a record is wrong"};
}

}  // namespace weft::transport
