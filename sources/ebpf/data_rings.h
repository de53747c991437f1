// DataRings: the rings that data records come through, read as one.
//
// Each CPU writes into a small ring of its own: what it touches stays in its cache, and no other
// CPU takes it away. A record for which there is no room goes into the one large ring that all
// share.
//
// Order: a ring's records are in the order of their writing, but each tells when its call began,
// which may be long before. Records are handed over by the latest such time that was seen in their
// ring so far. That time is never after the writing, so what was written before another record's
// call began comes before it, as long as nothing is handed over that began after the look into the
// rings: Drain's `now_ns`. That covers all records of one connection that have an order, except
// those of one call, which say how much later they were written.
//
// Owned by Loader. Records lie in read-only ring memory, lent for the call. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "engine/base/result.h"
#include "sources/ebpf/ring.h"

namespace weft::ebpf {

class DataRings {
 public:
  using Handler = std::function<void(const void* record, size_t size)>;

  // `bytes`: the size of a CPU's ring, to which Fullest() refers; the shared ring is the last.
  void Add(Ring ring, size_t bytes) { rings_.push_back({std::move(ring), bytes}); }

  // Hands over what was written before `now_ns` (CLOCK_MONOTONIC, just read), at most
  // `max_records`; returns how many.
  size_t Drain(size_t max_records, uint64_t now_ns, const Handler& handler);

  // How often a ring held what is no record, so far.
  uint64_t garbled() const;
  // The largest share of a ring that was found waiting since the last call.
  double TakeFullest();

 private:
  struct Source {
    Ring ring;
    size_t bytes;
    uint64_t time_ns = 0;  // the latest so far, the record at the front included
  };
  // False when there is none.
  static bool Front(Source& source);

  std::vector<Source> rings_;
  std::vector<Source*> waiting_;  // a heap: the earliest first
  double fullest_ = 0;
};

}  // namespace weft::ebpf
