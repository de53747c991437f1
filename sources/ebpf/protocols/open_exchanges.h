// OpenExchanges: the requests of one talk that are not finished, oldest first.
//
// Owned by Talk; lent to Dialogue::Pair. A ring: the steady state allocates nothing. What the open
// ones occupy is bounded per talk and for all talks of a ProtocolSet together, because a peer that
// never answers costs memory for every request. Objects that wait to be used again are shared by
// all talks, the one that was given back last is used first: it is still in the processor's cache.
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sources/ebpf/protocols/exchange.h"

namespace weft::ebpf {

// What all open exchanges of a set occupy, and may; and those that are in no use.
struct OpenBudget {
  size_t used = 0;
  size_t limit = SIZE_MAX;
  struct Spare {
    std::unique_ptr<Exchange> exchange;
    size_t bytes;
  };
  std::vector<Spare> spare;
  size_t spare_bytes = 0;
};

class OpenExchanges {
 public:
  // `budget` must outlive this.
  OpenExchanges(size_t max_count, size_t max_bytes, OpenBudget& budget)
      : max_count_(max_count), max_bytes_(max_bytes), budget_(budget) {}
  OpenExchanges(const OpenExchanges&) = delete;
  OpenExchanges& operator=(const OpenExchanges&) = delete;
  ~OpenExchanges() { budget_.used -= bytes_; }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Exchange& operator[](size_t i) const {
    return *ring_[(first_ + i) & (ring_.size() - 1)].exchange;
  }
  Exchange& front() const { return (*this)[0]; }

  // One more would pass a bound.
  bool full() const {
    return size_ >= max_count_ || bytes_ >= max_bytes_ || budget_.used >= budget_.limit;
  }

  // A cleared exchange, for Append or GiveBack.
  std::unique_ptr<Exchange> Acquire();
  void GiveBack(std::unique_ptr<Exchange> exchange);
  void Append(std::unique_ptr<Exchange> exchange);
  // Takes one out of the order. Requires: it is in it. `i` gets its place.
  std::unique_ptr<Exchange> Remove(const Exchange* exchange, size_t* i);

  size_t MemoryBytes() const;

 private:
  struct Slot {
    std::unique_ptr<Exchange> exchange;
    size_t bytes = 0;  // when it was appended
  };
  Slot& At(size_t i) { return ring_[(first_ + i) & (ring_.size() - 1)]; }
  void Grow();

  size_t max_count_, max_bytes_;
  OpenBudget& budget_;
  std::vector<Slot> ring_;  // a power of two
  size_t first_ = 0, size_ = 0;
  size_t bytes_ = 0;
};

}  // namespace weft::ebpf
