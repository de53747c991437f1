// TraceWriter: turns the traces of a batch into rows.
//
// A trace that the store does not have yet is one row and one range of span rows. Spans that come
// for a stored trace are added to it; a row with the id of a stored span replaces it where that one
// was still open, and is skipped as a duplicate otherwise. Used by SqliteSink, inside its
// transactions, from its thread.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "engine/api/plugin_abi.h"
#include "sinks/sqlite/attribute_directory.h"
#include "sinks/sqlite/attribute_merger.h"
#include "sinks/sqlite/attribute_store.h"
#include "sinks/sqlite/class_blocks.h"
#include "sinks/sqlite/dictionaries.h"
#include "sinks/sqlite/minute_counts.h"
#include "sql/database.h"

namespace weft::sinks {

class TraceWriter {
 public:
  struct Counts {
    uint64_t traces = 0;      // new ones
    uint64_t spans = 0;       // rows added
    uint64_t replaced = 0;    // open spans that have ended now
    uint64_t duplicates = 0;  // spans that were stored already
    uint64_t overflow = 0;    // spans past the number that a trace can hold
    int64_t min_start_ns = INT64_MAX, max_start_ns = INT64_MIN;  // of new traces
  };

  Result<void> Prepare(const sql::Database& db);
  void Forget();
  // Before the traces of a batch; lends both until the next call.
  void Begin(const weft_spans& spans, const weft_traces& traces, int64_t slice);
  Result<void> Write(uint32_t trace, Counts& counts);
  // After the traces of a batch: what was added becomes findable.
  Result<void> Finish();

  int64_t next_trace() const { return next_trace_; }
  int64_t next_connection() const { return dictionaries_.next_connection(); }

 private:
  struct StoredSpan {
    int64_t row = 0;
    int end = 0;  // how much is known of it: as EndKnown
  };

  Result<bool> AddTrace(uint32_t trace);
  uint32_t Resumed(uint32_t trace) const;
  Result<void> Join(uint32_t trace, int64_t id, uint32_t flags, Counts& counts);
  Result<void> Load(int64_t id);
  Result<void> Uncount(int64_t row_id);
  // Recomputes what the trace's row says about its spans.
  Result<void> Summarize(int64_t id, uint32_t flags);
  Result<int64_t> FindTrace(uint32_t trace);
  Result<void> AddSpan(uint32_t row, int64_t row_id, bool replace = false);
  Result<void> AddCandidates(uint32_t row, int64_t row_id);
  Result<void> AddDirectory(int64_t first_trace, int64_t last_trace, std::string& prefixes);

  Dictionaries dictionaries_;
  AttributeStore attributes_;
  AttributeDirectory directory_;
  AttributeMerger merger_;
  ClassBlocks classes_;
  MinuteCounts minutes_;
  sql::Statement add_trace_, add_span_, add_candidates_, find_trace_, load_spans_, summarize_,
      update_trace_, replace_span_, add_directory_, last_trace_, counted_;
  sqlite3* db_ = nullptr;
  int64_t next_trace_ = 1;
  uint64_t block_spans_ = 0;  // about as many in the block that is written to

  const weft_spans* spans_ = nullptr;
  const weft_traces* traces_ = nullptr;
  int64_t slice_ = 0;
  double weight_ = 1;        // of the trace that is being written
  int64_t first_trace_ = 0;  // of this batch
  std::string prefixes_, joined_prefixes_;
  std::unordered_map<uint64_t, StoredSpan> stored_;
  int64_t next_row_ = 0;
  std::string candidates_, hex_;
};

}  // namespace weft::sinks
