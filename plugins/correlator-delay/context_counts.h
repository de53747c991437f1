// ContextCounts: how often each outcome followed in each context, fading.
//
// A context (a hash) is found once and is a row number from then on, so that counting and reading
// cost array accesses. Rows stay valid while generation() is the same; version() also changes when
// rows are added. Two contexts share a row about once in a thousand processes, and then count as
// one. Plain value; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/request_state.h"

namespace weft::plugins::delay {

class ContextCounts {
 public:
  struct Row {
    uint32_t key = 0;
    uint32_t first = kNone;     // entry
    float n = 0, distinct = 0;  // of all outcomes; how many different ones
  };
  struct Entry {
    uint32_t next = kNone;
    Outcome outcome = 0;
    float count = 0;
  };

  ContextCounts() { Grow(256); }
  uint32_t RowOf(uint64_t context);       // made where there is none
  uint32_t Find(uint64_t context) const;  // kNone: there is none
  void Add(uint32_t row, Outcome outcome);
  const Row& row(uint32_t number) const { return rows_[number]; }
  float Count(const Row& row, Outcome outcome) const {
    for (uint32_t e = row.first; e != kNone; e = entries_[e].next)
      if (entries_[e].outcome == outcome) return entries_[e].count;
    return 0;
  }

  void Clear();  // counts only; rows stay unless they are many
  void Scale(float factor);
  // Leaves at most `most` numbers: the smallest counts go, equal ones together.
  void Bound(size_t most);
  uint32_t generation() const { return generation_; }
  uint32_t version() const { return version_; }

 private:
  friend class StateCodec;
  static constexpr size_t kManyRows = 4096;
  static uint32_t KeyOf(uint64_t context) {
    const auto key = static_cast<uint32_t>(context >> 32);
    return key == 0 ? 1 : key;
  }
  size_t Numbers() const { return entries_.size() + 2 * rows_.size(); }
  size_t SlotOf(uint32_t key) const;
  uint32_t RowOfKey(uint32_t key);
  Entry& EntryOf(Row& row, Outcome outcome);
  void Grow(size_t slots);
  void Drop(float limit);  // what is not above it

  std::vector<Row> rows_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // open addressing: row numbers
  uint32_t generation_ = 1, version_ = 1;
};

}  // namespace weft::plugins::delay
