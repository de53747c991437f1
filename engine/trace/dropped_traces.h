// DroppedTraces: which traces were sampled out, at some seven bytes each.
//
// A cuckoo filter: of a trace's 64-bit hash it keeps 48 bits, in one of two buckets of eight. A
// trace that was never dropped is taken for a dropped one once in 10^13 questions. Grows by tables,
// each as large as all before it, so that half of the places are empty at most. Nothing is ever
// taken out; the owner begins a new one when it is full enough. One owner, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::trace {

class DroppedTraces {
 public:
  // `expected`: traces that there will be, as far as is known.
  explicit DroppedTraces(size_t expected = 0) : expected_(expected) {}

  void Add(uint64_t key);
  bool Has(uint64_t key) const;
  size_t size() const { return size_; }
  size_t MemoryBytes() const;

 private:
  static constexpr uint32_t kSlots = 8;
  struct Bucket {
    uint32_t low[kSlots] = {};  // low and high both 0: free
    uint16_t high[kSlots] = {};
    bool Has(uint64_t print) const;
    bool Put(uint64_t print);
    uint64_t Swap(uint32_t slot, uint64_t print);
  };
  struct Table {
    std::vector<Bucket> buckets;
    size_t used = 0;
    size_t First(uint64_t key) const;
    // Of each bucket the other one, in both directions: their numbers have a sum that the
    // fingerprint tells.
    size_t Other(size_t bucket, uint64_t print) const;
    // Gives back the fingerprint that found no place, which is another trace's; 0: all have one.
    uint64_t Put(size_t bucket, uint64_t print, size_t* homeless_bucket);
  };
  struct Homeless {
    uint64_t print;
    size_t buckets, bucket;  // of the table that it came from
  };
  void Grow();

  size_t expected_;
  size_t size_ = 0;
  std::vector<Table> tables_;
  std::vector<Homeless> homeless_;  // hardly ever any
};

}  // namespace weft::trace
