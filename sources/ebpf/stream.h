// Stream: one direction of one connection. Places records by their TCP sequence number: makes
// 64-bit positions of 32-bit numbers, removes what came before, measures what is missing.
//
// Called by Connection for every data record, in ring order. The low 32 bits of a position are the
// sequence number, so positions and ids are the same whenever the agent joins. A send is believed
// as announced until a later one begins inside it: the kernel refuses, takes parts, and is asked
// again. Value type, one thread.
#pragma once

#include <cstdint>

namespace weft::ebpf {

class Stream {
 public:
  // What of a record is new.
  struct Placement {
    uint64_t position = 0;  // of the first new byte
    uint32_t repeated = 0;  // bytes at the record's begin that were placed before
    uint32_t length = 0;    // new bytes; 0: nothing new
    uint64_t missing = 0;   // bytes before `position` that no record carried
  };
  Placement Place(uint32_t seq, uint32_t length);

  // A record of the other direction says that this one stood at `seq`. No byte is lost by that: the
  // record that moves this direction there may still be on its way.
  void Hint(uint32_t seq);

  bool started() const { return started_; }
  // After the last placed byte. Requires: started().
  uint64_t next() const { return next_; }
  // Where this direction stands, as far as anything says: 32-bit sequence number of the next byte.
  uint32_t ExpectedSeq() const;

 private:
  uint64_t PositionOf(uint32_t seq) const {
    return next_ + static_cast<uint64_t>(static_cast<int64_t>(
                       static_cast<int32_t>(seq - static_cast<uint32_t>(next_))));
  }

  uint64_t next_ = 0;
  uint32_t hint_ = 0;
  bool started_ = false;
  bool hinted_ = false;
};

}  // namespace weft::ebpf
