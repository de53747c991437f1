// ExportBatch: closed traces that were kept, gathered into columns, on their way to the exporters.
//
// Made by TracePartition; grouped by trace, the root first where one was seen. Shared and immutable
// from then on: the exporters' queues own it together, and the last one frees it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/api/span_table.h"

namespace weft::trace {

// The columns of weft_traces, one entry per trace.
struct TraceRows {
  std::vector<uint64_t> trace_hi, trace_lo;
  std::vector<uint32_t> first_row, n_rows, root_row;
  std::vector<int64_t> start_ns, end_ns;
  std::vector<uint32_t> n_errors, flags;
  std::vector<double> weight;  // empty before the decision
  std::vector<uint32_t> rule;  // strings of the spans' view; empty before the decision

  uint32_t n() const { return static_cast<uint32_t>(trace_hi.size()); }
  // Begins a trace at the table's row `row`; AddSpan then sums up its rows.
  void AddTrace(uint64_t hi, uint64_t lo, uint32_t row);
  void AddSpan(const api::SpanTable& spans, uint32_t row, bool is_root);
  // Lends the columns; valid until this changes.
  weft_traces View() const;
  void Clear();  // keeps capacity
};

struct ExportBatch {
  uint32_t partition = 0;
  uint64_t generation = 0;
  uint64_t number = 0;       // grows by one per batch of (partition, generation)
  uint64_t next_offset = 0;  // reading goes on here once this and the earlier batches are durable
  api::SpanTable spans;
  std::vector<uint32_t> seen_too;  // rows that an SDK reported, ascending, of calls that weft saw
  TraceRows traces;
  api::SpanView view;  // of spans; truth included
  uint32_t ended = 0;  // rows without WEFT_FLAG_OPEN: what the ledger counts
  size_t bytes = 0;

  // For the next one; keeps capacity.
  void Clear();
  weft_source Source() const {
    return {sizeof(weft_source), partition, generation, next_offset, number};
  }
};
using ExportBatchPtr = std::shared_ptr<const ExportBatch>;

}  // namespace weft::trace
