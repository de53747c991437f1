#include "plugins/correlator-delay/context_counts.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "plugins/correlator-delay/fading.h"

namespace weft::plugins::delay {

size_t ContextCounts::SlotOf(uint32_t key) const {
  const size_t mask = slots_.size() - 1;
  size_t i = key & mask;
  while (slots_[i] != kNone && rows_[slots_[i]].key != key) i = (i + 1) & mask;
  return i;
}

uint32_t ContextCounts::Find(uint64_t context) const { return slots_[SlotOf(KeyOf(context))]; }

uint32_t ContextCounts::RowOf(uint64_t context) { return RowOfKey(KeyOf(context)); }

uint32_t ContextCounts::RowOfKey(uint32_t key) {
  if (2 * rows_.size() >= slots_.size()) Grow(2 * slots_.size());
  uint32_t& row = slots_[SlotOf(key)];
  if (row != kNone) return row;
  row = static_cast<uint32_t>(rows_.size());
  rows_.emplace_back().key = key;
  ++version_;
  return row;
}

ContextCounts::Entry& ContextCounts::EntryOf(Row& row, Outcome outcome) {
  for (uint32_t e = row.first; e != kNone; e = entries_[e].next)
    if (entries_[e].outcome == outcome) return entries_[e];
  entries_.push_back({row.first, outcome, 0});
  row.first = static_cast<uint32_t>(entries_.size() - 1);
  return entries_.back();
}

void ContextCounts::Add(uint32_t number, Outcome outcome) {
  Row& row = rows_[number];
  Entry& entry = EntryOf(row, outcome);
  if (entry.count <= 0) row.distinct += 1;
  entry.count += 1;
  row.n += 1;
}

void ContextCounts::Clear() {
  entries_.clear();
  if (rows_.size() > kManyRows) {
    rows_.clear();
    ++generation_;
    Grow(slots_.size());
  }
  for (Row& row : rows_) row = {row.key, kNone, 0, 0};
}

void ContextCounts::Scale(float factor) {
  for (Entry& entry : entries_) entry.count = Faded(entry.count, factor);
  for (Row& row : rows_) {
    row.n = Faded(row.n, factor);
    row.distinct = Faded(row.distinct, factor);
  }
  Drop(0);
}

void ContextCounts::Bound(size_t most) {
  if (Numbers() <= most) return;
  std::vector<float> counts;
  for (const Entry& entry : entries_) counts.push_back(entry.count);
  for (const Row& row : rows_) counts.insert(counts.end(), 2, row.n);
  const auto cut = counts.begin() + static_cast<ptrdiff_t>(most);
  std::ranges::nth_element(counts, cut, std::greater<>());
  Drop(*cut);
}

void ContextCounts::Drop(float limit) {
  std::vector<Row> rows;
  std::vector<Entry> entries;
  rows.swap(rows_);
  entries.swap(entries_);
  for (const Row& row : rows) {
    if (row.n <= limit) continue;
    Row& kept = rows_.emplace_back(row);
    kept.first = kNone;
    for (uint32_t e = row.first; e != kNone; e = entries[e].next)
      if (entries[e].count > limit) EntryOf(kept, entries[e].outcome).count = entries[e].count;
  }
  ++generation_;
  Grow(slots_.size());
}

void ContextCounts::Grow(size_t slots) {
  slots_.assign(slots, kNone);
  for (uint32_t r = 0; r < rows_.size(); ++r) slots_[SlotOf(rows_[r].key)] = r;
}

}  // namespace weft::plugins::delay
