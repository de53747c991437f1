// Tally: counts for one partition, and tells the Counter that all share once per call.
//
// A locked addition waits until every store before it has reached the cache. Between the rows of a
// loop that is what costs: no row's memory is asked for before the row before it has arrived.
// StitchPartition settles all of its tallies before each of its calls returns. One thread.
#pragma once

#include <cstdint>

#include "engine/base/metrics.h"

namespace weft::stitch {

class Tally {
 public:
  explicit Tally(Counter& counter) : counter_(counter) {}
  void Add(uint64_t delta = 1) { since_ += delta; }  // modulo 2^64: gauges go down, too
  void Settle() {
    if (since_ != 0) counter_.Add(since_);
    since_ = 0;
  }

 private:
  Counter& counter_;
  uint64_t since_ = 0;
};

}  // namespace weft::stitch
