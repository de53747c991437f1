#include "engine/trace/decided_traces.h"

#include <utility>

namespace weft::trace {
namespace {

uint64_t Key(api::TraceId id) {
  const uint64_t key = HashCombine(id.hi, id.lo);
  return key == 0 ? 1 : key;
}

}  // namespace

const DecidedTraces::Cell* DecidedTraces::Table::Find(uint64_t key) const {
  if (cells.empty()) return nullptr;
  for (size_t i = key & (cells.size() - 1);; i = (i + 1) & (cells.size() - 1)) {
    if (cells[i].key == key) return &cells[i];
    if (cells[i].key == 0) return nullptr;
  }
}

void DecidedTraces::Table::Put(uint64_t key, Verdict verdict) {
  if ((used + 1) * 3 > cells.size() * 2) {
    std::vector<Cell> old =
        std::exchange(cells, std::vector<Cell>(cells.empty() ? 64 : cells.size() * 2));
    used = 0;
    for (const Cell& cell : old)
      if (cell.key != 0) Put(cell.key, cell.verdict);
  }
  size_t i = key & (cells.size() - 1);
  while (cells[i].key != 0 && cells[i].key != key) i = (i + 1) & (cells.size() - 1);
  if (cells[i].key == 0) ++used;
  cells[i] = {key, verdict};
}

void DecidedTraces::Remember(api::TraceId id, Verdict verdict) {
  if (newer_.used + newer_dropped_.size() >= capacity_) {
    forgotten_ += older_.used + older_dropped_.size();
    older_ = std::exchange(newer_, Table{});
    // The next generation will be much like this one.
    older_dropped_ = std::exchange(newer_dropped_, DroppedTraces(newer_dropped_.size()));
  }
  if (verdict.keep)
    newer_.Put(Key(id), verdict);
  else
    newer_dropped_.Add(Key(id));
}

std::optional<Verdict> DecidedTraces::Find(api::TraceId id) const {
  const uint64_t key = Key(id);
  if (const Cell* cell = newer_.Find(key)) return cell->verdict;
  if (const Cell* cell = older_.Find(key)) return cell->verdict;
  if (newer_dropped_.Has(key) || older_dropped_.Has(key)) return Verdict{false, 0, 1.0F};
  return std::nullopt;
}

size_t DecidedTraces::MemoryBytes() const {
  return (newer_.cells.capacity() + older_.cells.capacity()) * sizeof(Cell) +
         newer_dropped_.MemoryBytes() + older_dropped_.MemoryBytes();
}

}  // namespace weft::trace
