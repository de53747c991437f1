// DecidedTraces: the verdicts of traces that left the buffer, for their late spans.
//
// Bounded: two generations; when the newer one has `capacity` verdicts the older one is forgotten,
// so that at least so many and at most twice as many are known. Of a kept trace 16 bytes in a table
// at most two thirds full; of a dropped one, of which there are many more, seven bytes and neither
// rule nor weight (dropped_traces.h). A trace is told apart by a hash of its id. One owner, one
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/ids.h"
#include "engine/trace/dropped_traces.h"

namespace weft::trace {

struct Verdict {
  bool keep = true;
  uint16_t rule = 0;    // number in the partition's list of rule names
  float weight = 1.0F;  // adjusted count
};

class DecidedTraces {
 public:
  explicit DecidedTraces(uint32_t capacity) : capacity_(capacity < 16 ? 16 : capacity) {}

  void Remember(api::TraceId id, Verdict verdict);
  std::optional<Verdict> Find(api::TraceId id) const;
  uint64_t forgotten() const { return forgotten_; }
  size_t MemoryBytes() const;

 private:
  struct Cell {
    uint64_t key = 0;  // 0 is free
    Verdict verdict;
  };
  struct Table {
    std::vector<Cell> cells;
    uint32_t used = 0;
    const Cell* Find(uint64_t key) const;
    void Put(uint64_t key, Verdict verdict);
  };

  uint32_t capacity_;
  Table newer_, older_;  // kept
  DroppedTraces newer_dropped_, older_dropped_;
  uint64_t forgotten_ = 0;
};

}  // namespace weft::trace
