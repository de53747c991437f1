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

// The same for what nearly every element begins with, "$12\r\n" or "*3\r\n": the length of that
// line, and its number. 0: it is another type, not whole, or longer than seven digits.
inline size_t ReadShortLine(std::string_view bytes, char type, uint64_t* n) {
  if (bytes.size() < 4 || bytes[0] != type) return 0;
  uint64_t value = 0;
  for (size_t i = 1; i + 1 < bytes.size() && i <= 8; ++i) {
    const auto digit = static_cast<unsigned>(bytes[i] - '0');
    if (digit < 10) {
      value = value * 10 + digit;
      continue;
    }
    if (i == 1 || bytes[i] != '\r' || bytes[i + 1] != '\n') return 0;
    *n = value;
    return i + 2;
  }
  return 0;
}
// A bulk string that is there with its end: what it takes, its text. 0: it is not so.
inline size_t ReadWholeBulk(std::string_view bytes, std::string_view* text) {
  uint64_t n = 0;
  const size_t line = ReadShortLine(bytes, '$', &n);
  if (line == 0 || bytes.size() - line < n + 2) return 0;
  const size_t end = line + static_cast<size_t>(n);
  if (bytes[end] != '\r' || bytes[end + 1] != '\n') return 0;
  *text = bytes.substr(line, static_cast<size_t>(n));
  return end + 2;
}

inline constexpr uint64_t kMaxBulk = 512ull << 20;  // proto-max-bulk-len's default
inline constexpr uint64_t kMaxChildren = 1ull << 31;
inline constexpr size_t kMaxLine = 65536;  // PROTO_INLINE_MAX_SIZE

}  // namespace weft::ebpf::redis
