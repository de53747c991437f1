// GatherTrace: the rows of one trace out of the buffer into a table: root first, then by start.
//
// Of several rows of one span the last version wins: an ended one over an `open` one, and what the
// program's SDK says of a call over what weft saw of it. Two exchanges that came to share a span id
// stay two. Called by TracePartition only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/ids.h"
#include "engine/trace/export_batch.h"
#include "engine/trace/span_buffer.h"

namespace weft::trace {

// Is the row a root of what weft watches?
inline bool IsRoot(const api::EventColumns& spans, uint32_t row) {
  return spans.parent_id[row] == 0 || (spans.flags[row] & WEFT_FLAG_LOCAL_ROOT) != 0;
}

inline api::TraceId IdOf(const api::EventColumns& spans, uint32_t row) {
  return {spans.trace_hi[row], spans.TraceLoOf(row)};
}

class TraceGatherer {
 public:
  TraceGatherer(const SpanBuffer& buffer, RowGatherer& rows, ExportBatch& to)
      : buffer_(buffer), gatherer_(rows), to_(to) {}

  // Takes a trace made of the given rows (any order); `flags` are added to each row, `trace_flags`
  // to the trace. Returns how many ended spans go in; other rows are open ones or superseded.
  uint32_t Add(api::TraceId id, const std::vector<RowRef>& refs, uint32_t flags,
               uint32_t trace_flags = 0);
  // Appends what was taken. Requires: none of its rows was released since.
  void Finish();
  // The ended rows of all traces so far that did not go in.
  const std::vector<RowRef>& superseded() const { return superseded_; }

 private:
  struct Item {
    uint64_t span_id, exchange;
    int64_t start_ns;
    RowRef row;
    uint32_t age;  // position in the chain: 0 is the newest
    bool root, open;
    bool lost;  // its agent fell silent: its end is not the true one
    bool reported;
    bool seen_too;  // reported, and in the place of a row of weft's own
  };
  struct Taken {
    api::TraceId id;
    size_t end;  // of its rows in rows_
    uint32_t flags, trace_flags;
  };
  void PreferReported();

  const SpanBuffer& buffer_;
  RowGatherer& gatherer_;
  ExportBatch& to_;
  std::vector<Item> items_;
  std::vector<Taken> taken_;
  std::vector<RowRef> rows_;
  std::vector<uint8_t> root_;       // by row
  std::vector<uint32_t> seen_too_;  // of rows_
  std::vector<RowRef> superseded_;
};

// The traces with keep[i] != 0, into a fresh batch.
void CopyKept(const ExportBatch& from, const std::vector<uint8_t>& keep, ExportBatch& to);

}  // namespace weft::trace
