// SqliteSink: writes kept traces into one SQLite file, exactly once.
//
// The `sqlite` exporter and `weft replay` call it. A batch is one transaction together with the
// place in the stream where reading goes on, so a batch that comes again is recognised and skipped.
// Readers work beside it at any time (write-ahead log). A killed process leaves a consistent file.
//
// Order: Open, Write*, Close. One thread. Lent: the batch for the call, the clock for the lifetime.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/api/plugin_abi.h"
#include "engine/base/clock.h"
#include "engine/base/result.h"
#include "sinks/sqlite/retention.h"
#include "sinks/sqlite/store_lock.h"
#include "sinks/sqlite/trace_writer.h"
#include "sql/database.h"

namespace weft::sinks {

struct SqliteSinkOptions {
  std::string path = "weft.db";
  std::string group = {};  // who may read it too; empty: only the owner
  // Names the log whose offsets are stored. Empty: offsets end with this process (memory
  // transport), so those of earlier processes are forgotten.
  std::string topic;
  int64_t max_age_ns = 24LL * 3600 * kSecond;
  uint64_t max_bytes = 5'000'000'000;
  // A slice of retention ends at either.
  int64_t slice_ns = 60 * kSecond;
  uint64_t slice_spans = 200'000;
};

// Running totals; each span that comes in is in exactly one of rows, replaced, duplicates,
// replayed, overflow and dropped.
struct SqliteSinkCounts {
  uint64_t rows = 0;
  uint64_t replaced = 0;    // open spans that were stored and have ended
  uint64_t duplicates = 0;  // already stored
  uint64_t replayed = 0;    // of batches that were already stored
  uint64_t overflow = 0;    // past the number of spans that a trace can hold
  uint64_t dropped = 0;     // of batches refused for good
  uint64_t traces = 0;
  uint64_t retired = 0;  // spans removed by retention
  uint64_t retired_traces = 0;
  uint64_t retries = 0;      // batches refused for now
  uint64_t clock_steps = 0;  // the wall clock was set: nothing is too old for an hour
};

class SqliteSink {
 public:
  // Creates or opens the file and brings its schema up to date. kInvalid: a newer schema, or a
  // database of something else; kCorrupt; kDenied; kIo: another weft writes to it, locked, or the
  // system refused.
  static Result<std::unique_ptr<SqliteSink>> Open(SqliteSinkOptions options, const Clock& clock);
  ~SqliteSink();

  // Stores a batch. OK: committed, survives a kill. RETRY: nothing was taken (locked, disk full).
  // DROP: it can never be stored (damaged file, impossible batch). *error says why in both.
  weft_outcome Write(const weft_spans& spans, const weft_traces& traces, const weft_source& source,
                     Error* error);
  // One step of retention without a batch; for idle times.
  Result<void> Retire();
  // Empties the log into the file.
  Result<void> Close();

  const SqliteSinkCounts& counts() const { return counts_; }

 private:
  SqliteSink(SqliteSinkOptions options, const Clock& clock);
  Result<void> Prepare();
  Result<bool> AlreadyStored(const weft_source& source);
  Result<void> WriteAll(const weft_spans& spans, const weft_traces& traces,
                        const weft_source& source, TraceWriter::Counts& counts);
  Result<void> EnsureSlice();
  Result<void> UpdateSlice(const TraceWriter::Counts& counts);
  Result<void> RetireSpans(uint64_t max_spans);
  int64_t AgeNow();
  weft_outcome Refuse(const weft_spans& spans, Error failure, Error* error);

  SqliteSinkOptions options_;
  const Clock& clock_;
  StoreLock lock_;
  sql::Database db_;
  TraceWriter writer_;
  Retention retention_;
  sql::Statement begin_, commit_, rollback_, find_offset_, put_offset_, add_slice_, grow_slice_;
  int64_t slice_ = 0, slice_stored_ns_ = 0;
  int64_t clock_offset_ns_ = INT64_MIN, age_hold_ns_ = INT64_MIN;
  uint64_t slice_spans_ = 0;
  SqliteSinkCounts counts_;
};

}  // namespace weft::sinks
