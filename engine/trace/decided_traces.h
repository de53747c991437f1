// DecidedTraces: the verdicts of traces that left the buffer, for their late spans.
//
// Bounded: two generations of fixed tables; when the newer one is full the older one is forgotten,
// so that at least `capacity` and at most twice as many verdicts are known. 16 bytes per place, at
// most two thirds used. A trace is told apart by a 64-bit hash of its id. One owner, one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/api/ids.h"

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
  Table newer_, older_;
  uint64_t forgotten_ = 0;
};

}  // namespace weft::trace
