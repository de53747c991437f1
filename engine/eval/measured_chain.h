// MeasuredChain: correlators of a chain, with the CPU time and the heap that their calls take.
//
// Stands between stage 1 and the plugins' tables: every call goes through, and is measured. The
// plugins' instances outlive it, and it outlives the partition. One thread, and nobody else on the
// heap meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/stitch/config.h"

namespace weft::eval {

class MeasuredChain {
 public:
  explicit MeasuredChain(const std::vector<stitch::ChainLink>& chain);
  ~MeasuredChain();

  // What stage 1 is given in place of the chain.
  std::vector<stitch::ChainLink> Links() const;

  // CPU time of this thread inside correlate and learn.
  double seconds() const { return seconds_; }
  // The most that the correlators held of what they allocated in their calls.
  uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  struct Measured;
  class Call;
  std::vector<std::unique_ptr<Measured>> measured_;
  double seconds_ = 0;
  int64_t held_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
};

}  // namespace weft::eval
