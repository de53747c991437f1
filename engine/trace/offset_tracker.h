// OffsetTracker: which input records still have rows that a crash must not lose.
//
// Each row of a record is undecided, then either done (sampled out, a duplicate) or in flight to
// the exporters and done once they have acknowledged it. A record is done when all its rows are;
// the oldest that is not is where reading must begin again. Records are numbered by arrival,
// because offsets may have holes. One owner, one thread; all calls O(1) amortised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace weft::trace {

// What became of ended rows.
enum class RowFate : uint8_t { kStored, kSampledOut, kReplaced, kDropped };
struct RowFates {
  uint64_t of[4] = {};
  uint64_t& operator[](RowFate fate) { return of[static_cast<size_t>(fate)]; }
  uint64_t operator[](RowFate fate) const { return of[static_cast<size_t>(fate)]; }
  bool operator==(const RowFates&) const = default;
};

class OffsetTracker {
 public:
  explicit OffsetTracker(uint64_t start_offset) : next_offset_(start_offset) {}

  // A record was read; `rows` may be 0. Returns its number. Offsets must ascend.
  uint64_t Add(uint64_t offset, uint32_t rows);
  void Done(uint64_t record, uint32_t rows = 1);         // undecided -> done
  void Ship(uint64_t record, uint32_t rows = 1);         // undecided -> in flight
  void Acknowledge(uint64_t record, uint32_t rows = 1);  // in flight -> done

  // For the ledger: that many ended rows of a record that is not done end so.
  void Count(uint64_t record, RowFate fate, uint32_t rows = 1);
  // Sums of all records below what Needed said last, and of those before start_offset as told.
  const RowFates& settled() const { return settled_; }
  void RestoreSettled(const RowFates& settled) { settled_ = settled; }

  // The offset of the oldest record with rows that are not done; else the one after the last read.
  uint64_t Needed();
  // The same, with rows in flight counted as done.
  uint64_t Undecided();
  size_t records() const { return records_.size(); }
  uint64_t OffsetOf(uint64_t record) const { return records_[record - first_].offset; }

 private:
  struct Record {
    uint64_t offset;
    uint32_t undecided, in_flight;
    uint32_t fates[4] = {};
  };
  Record& At(uint64_t record);

  std::deque<Record> records_;  // number first_ on
  uint64_t first_ = 0;
  uint64_t first_undecided_ = 0;
  uint64_t next_offset_;
  RowFates settled_;
};

}  // namespace weft::trace
