#include "sources/ebpf/stream.h"

namespace weft::ebpf {
namespace {
// One wrap above zero, so that a record before the first one has a position too.
constexpr uint64_t kBase = uint64_t{1} << 32;
}  // namespace

Stream::Placement Stream::Place(uint32_t seq, uint32_t length) {
  if (!started_) {
    started_ = true;
    next_ = kBase + seq;
  }
  const uint64_t position = PositionOf(seq);
  const uint64_t end = position + length;
  Placement placement;
  if (end <= next_) {
    placement.position = next_;
    placement.repeated = length;
    return placement;
  }
  if (position < next_) {
    placement.repeated = static_cast<uint32_t>(next_ - position);
  } else {
    placement.missing = position - next_;
  }
  placement.position = position + placement.repeated;
  placement.length = length - placement.repeated;
  next_ = end;
  return placement;
}

void Stream::Hint(uint32_t seq) {
  hint_ = seq;
  hinted_ = true;
}

uint32_t Stream::ExpectedSeq() const {
  if (!started_) return hint_;
  const auto next = static_cast<uint32_t>(next_);
  return hinted_ && static_cast<int32_t>(hint_ - next) > 0 ? hint_ : next;
}

}  // namespace weft::ebpf
