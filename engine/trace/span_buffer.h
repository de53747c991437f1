// SpanBuffer: the rows of undecided traces, as references into the decoded records.
//
// A record's payload is shared, not copied, and goes when none of its rows is needed any more. The
// rows of a trace form a chain, newest first: one 8-byte link per row is all that buffering a span
// adds to its encoded form. A row that stays long is moved into a batch of survivors, so that one
// slow trace does not pin a record full of finished ones. One owner, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "engine/api/codec.h"
#include "engine/api/event_copier.h"
#include "engine/api/span_table.h"
#include "engine/base/radix_sort.h"

namespace weft::trace {

// Batch in the upper half, row in the lower.
using RowRef = uint64_t;
inline constexpr RowRef kNoRow = UINT64_MAX;

class SpanBuffer {
 public:
  // Takes a decoded record over; `record` is its number in the OffsetTracker. All rows count as
  // live: each must be linked or released. Returns the batch.
  uint32_t Add(api::SpanRecord spans, uint64_t record);
  static RowRef Ref(uint32_t batch, uint32_t row) { return uint64_t{batch} << 32 | row; }

  void Link(RowRef row, RowRef next) { Of(row).next[Row(row)] = next; }
  RowRef Next(RowRef row) const { return Of(row).next[Row(row)]; }
  // Valid until the row is released or moved.
  const api::EventColumns& Columns(RowRef row) const { return Of(row).Columns(); }
  static uint32_t Row(RowRef row) { return static_cast<uint32_t>(row); }
  static uint32_t BatchOf(RowRef row) { return static_cast<uint32_t>(row >> 32); }
  // Number of the record that brought the row.
  uint64_t Record(RowRef row) const;
  size_t RowBytes(uint32_t batch) const;

  // The row is not needed any more. Views of its batch die with the last one.
  void Release(RowRef row);
  // Moves the rows of a chain whose batches are mostly released; returns the new head.
  RowRef Survive(RowRef head);

  size_t bytes() const { return bytes_; }
  uint64_t rows() const { return rows_; }

 private:
  struct Batch {
    api::PayloadPtr payload;
    std::unique_ptr<api::SpanTable> survivors;  // instead of a payload
    mutable api::EventColumns columns;
    mutable bool stale = false;  // survivors have changed since
    std::vector<RowRef> next;
    std::vector<uint64_t> origin;  // survivors: record of each row
    uint64_t record = 0;
    uint32_t live = 0;
    size_t bytes = 0;
    const api::EventColumns& Columns() const {
      if (stale) Refresh();
      return columns;
    }
    void Refresh() const;
  };
  static constexpr uint32_t kSurvivorRows = 4096;
  static constexpr uint32_t kNoBatch = UINT32_MAX;

  Batch& Of(RowRef row) const { return *batches_[BatchOf(row)]; }
  uint32_t Place(std::unique_ptr<Batch> batch);
  RowRef MoveRow(RowRef row, std::unordered_map<uint32_t, api::EventCopier>& copiers);

  std::vector<std::unique_ptr<Batch>> batches_;
  std::vector<uint32_t> free_;
  uint32_t survivors_ = kNoBatch;  // the batch that takes moved rows
  size_t bytes_ = 0;
  uint64_t rows_ = 0;
};

// Copies rows of a SpanBuffer into a table, column by column and source by source: a dictionary
// entry is translated once per source. Keep one and reuse it. One thread.
class RowGatherer {
 public:
  // Appends the rows in this order.
  void Append(const SpanBuffer& from, const std::vector<RowRef>& rows, api::SpanTable& to);

 private:
  // Rows of one batch: [begin, end) of row_ and place_.
  struct Run {
    uint32_t batch, begin, end;
  };
  void GroupByBatch(const std::vector<RowRef>& rows, uint32_t first);

  static constexpr size_t kKeptCopiers = 256;  // they know dictionaries, 8 bytes an entry

  std::vector<api::EventCopier> copiers_;
  std::vector<SortItem> order_, scratch_;
  std::vector<Run> runs_;
  std::vector<uint32_t> row_, place_;
  std::vector<uint32_t> run_of_;  // by row to append
};

}  // namespace weft::trace
