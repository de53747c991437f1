// Retention: keeps a store within an age and a number of bytes, oldest traces first.
//
// Traces are grouped in slices, in the order in which they were stored; age is counted from then
// (a replayed recording of last year is as young as its replay). The oldest slice goes a bounded
// number of spans at a time, so that no call stalls the sink. Freed pages are used again, and given
// back to the file system once they are many. Used by SqliteSink, from its thread, outside its
// transactions.
#pragma once

#include <cstdint>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sinks {

struct RetentionLimits {
  int64_t max_age_ns = 0;  // 0: no limit
  uint64_t max_bytes = 0;  // of file and log; 0: no limit
  uint64_t log_bytes = 0;  // what the write-ahead log may occupy of it
};

class Retention {
 public:
  struct Retired {
    uint64_t traces = 0, spans = 0;
  };

  Result<void> Prepare(const sql::Database& db, const RetentionLimits& limits);
  // Removes traces with about max_spans spans if the store is past a limit.
  Result<Retired> Step(int64_t unix_ns, uint64_t max_spans);

 private:
  struct Slice {
    int64_t id = 0, stored_ns = 0;
    int64_t next_trace = 0, next_connection = 0;  // where the next slice begins; 0: no next one
  };
  Result<bool> Oldest(Slice* slice);
  Result<bool> TooLarge();
  Result<Retired> Remove(const Slice& slice, uint64_t max_spans);
  Result<void> RemoveSlice(const Slice& slice);
  Result<void> GiveBackPages();

  const sql::Database* db_ = nullptr;
  RetentionLimits limits_;
  sql::Statement oldest_, traces_, delete_spans_, delete_candidates_, delete_directory_,
      delete_attributes_, delete_parts_, delete_groups_, delete_classes_, delete_traces_,
      delete_connections_, delete_slice_, delete_processes_, delete_minutes_, page_count_,
      free_pages_;
  int64_t page_size_ = 0;
};

}  // namespace weft::sinks
