// RESP2 and RESP3 elements (https://redis.io/docs/latest/develop/reference/protocol-spec/): one
// line, and how much follows it.
//
// Pure functions over borrowed bytes; used by the Redis dialogue.
#pragma once

#include <cstdint>
#include <string_view>

#include "sources/ebpf/protocols/protocol.h"

namespace weft::ebpf::redis {

struct Element {
  char type = 0;
  bool null = false;
  std::string_view text;  // of simple types; of bulk types as far as captured
  uint64_t body = 0;      // bulk types: bytes after the line, CR LF included
  uint64_t children = 0;  // aggregates: elements that follow (maps: keys and values)
};

// The element at the beginning of `bytes`: kDone with `used` = its line only. kNeedMore, kInvalid.
Step ReadElement(std::string_view bytes, Element* element);

inline constexpr uint64_t kMaxBulk = 512ull << 20;  // proto-max-bulk-len's default
inline constexpr uint64_t kMaxChildren = 1ull << 31;
inline constexpr size_t kMaxLine = 65536;  // PROTO_INLINE_MAX_SIZE

}  // namespace weft::ebpf::redis
