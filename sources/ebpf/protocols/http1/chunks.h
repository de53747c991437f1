// ChunkReader: finds the end of a chunked body (RFC 9112, section 7.1) without its data.
//
// One per direction; Begin, then Read at the body's first byte and again after each skip.
#pragma once

#include <cstdint>
#include <string_view>

#include "sources/ebpf/protocols/protocol.h"

namespace weft::ebpf::http1 {

class ChunkReader {
 public:
  void Begin() { state_ = State::kSize; }
  // kDone at the last byte of the trailers; kSkip over data that is not in `bytes`.
  Step Read(std::string_view bytes, bool cut);
  // The last chunk and no trailers are exactly "0\r\n\r\n".
  bool EndsIn(uint64_t missing) const { return state_ == State::kSize && missing == 5; }

 private:
  enum class State : uint8_t { kSize, kTrailers };
  State state_ = State::kSize;
};

}  // namespace weft::ebpf::http1
