// TraceIndex: trace id -> slot number, for the traces in the buffer.
//
// Open addressing with backward shift on erase: no allocation per trace, no tombstones. One owner,
// one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/ids.h"

namespace weft::trace {

class TraceIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  TraceIndex() : cells_(64) {}

  // The slot of `id`, kNone if it has none.
  uint32_t Find(api::TraceId id) const;
  // Requires: `id` is not in the index; slot != kNone.
  void Insert(api::TraceId id, uint32_t slot);
  // Does nothing where `id` is not in the index.
  void Erase(api::TraceId id);
  size_t size() const { return used_; }
  size_t MemoryBytes() const { return cells_.capacity() * sizeof(Cell); }

 private:
  struct Cell {
    api::TraceId id;
    uint32_t slot = kNone;
  };
  size_t Home(api::TraceId id) const;
  void Grow();

  std::vector<Cell> cells_;  // a power of two, at most 3/4 used
  size_t used_ = 0;
};

}  // namespace weft::trace
