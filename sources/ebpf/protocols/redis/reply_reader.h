// ReplyReader: one reply of a Redis server after the other, as far as captured, and what it is.
//
// Part of the Redis dialogue. Aggregates are walked element by element; captured or not, lengths
// lead to the reply's end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sources/ebpf/protocols/protocol.h"
#include "sources/ebpf/protocols/redis/resp.h"

namespace weft::ebpf::redis {

// What the first word of an array or push says about subscriptions. Only a hint: any list may begin
// with such a word.
enum class Channel : uint8_t { kNone, kConfirmation, kMessage, kPong };

struct ReplyInfo {
  char type = 0;
  Channel channel = Channel::kNone;
  std::string error;  // the error's first word, empty: no error
};

class ReplyReader {
 public:
  Step Begin(std::string_view bytes, bool cut);
  Step Continue(std::string_view bytes, bool cut);
  const ReplyInfo& info() const { return info_; }

 private:
  // False: more bytes are needed to tell.
  bool Classify(std::string_view children, bool cut);
  // Counts one element, and what it contains, against left_.
  bool Enter(const Element& element);

  ReplyInfo info_;
  uint64_t left_ = 0;  // elements still to come
};

}  // namespace weft::ebpf::redis
