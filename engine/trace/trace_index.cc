#include "engine/trace/trace_index.h"

#include <utility>

#include "engine/base/check.h"

namespace weft::trace {

// Ids are hashes, but those that come with a context are chosen by others: mixed again, so that
// crafted ids are no worse than any.
size_t TraceIndex::Home(api::TraceId id) const {
  return HashCombine(id.hi, id.lo) & (cells_.size() - 1);
}

uint32_t TraceIndex::Find(api::TraceId id) const {
  for (size_t i = Home(id);; i = (i + 1) & (cells_.size() - 1)) {
    if (cells_[i].slot == kNone) return kNone;
    if (cells_[i].id == id) return cells_[i].slot;
  }
}

void TraceIndex::Insert(api::TraceId id, uint32_t slot) {
  WEFT_CHECK(slot != kNone);
  if ((used_ + 1) * 4 > cells_.size() * 3) Grow();
  size_t i = Home(id);
  while (cells_[i].slot != kNone) i = (i + 1) & (cells_.size() - 1);
  cells_[i] = {id, slot};
  ++used_;
}

void TraceIndex::Erase(api::TraceId id) {
  const size_t mask = cells_.size() - 1;
  size_t hole = Home(id);
  while (!(cells_[hole].id == id && cells_[hole].slot != kNone)) {
    if (cells_[hole].slot == kNone) return;
    hole = (hole + 1) & mask;
  }
  // Pulls later cells of the same run forward, as long as that does not put one before its home.
  for (size_t i = (hole + 1) & mask; cells_[i].slot != kNone; i = (i + 1) & mask) {
    const size_t home = Home(cells_[i].id);
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    cells_[hole] = cells_[i];
    hole = i;
  }
  cells_[hole] = Cell{};
  --used_;
}

void TraceIndex::Grow() {
  std::vector<Cell> old = std::exchange(cells_, std::vector<Cell>(cells_.size() * 2));
  used_ = 0;
  for (const Cell& cell : old)
    if (cell.slot != kNone) Insert(cell.id, cell.slot);
}

}  // namespace weft::trace
