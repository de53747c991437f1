// LedgerWriter: keeps the counters of a run in the store, so that `weft doctor` and `weft report`
// can read them afterwards, also those of a run that was killed.
//
// The engine opens one per run, writes at intervals and once more at the end. It has a connection
// of its own and waits for the sink's transactions. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sinks {

class LedgerWriter {
 public:
  // Begins a run in the store at `path` (made if missing), which `group` may read too. Errors as of
  // SqliteSink::Open.
  static Result<LedgerWriter> Open(const std::string& path, std::string_view version,
                                   const Clock& clock, const std::string& group = {});

  // Replaces this run's counters, all in one transaction. `ended`: the run stopped in order.
  Result<void> Write(const std::vector<std::pair<std::string, uint64_t>>& counters, bool ended);

 private:
  LedgerWriter(sql::Database db, const Clock& clock) : db_(std::move(db)), clock_(&clock) {}
  Result<void> WriteRows(const std::vector<std::pair<std::string, uint64_t>>& counters, bool ended);

  sql::Database db_;
  const Clock* clock_;
  int64_t run_ = 0;
};

}  // namespace weft::sinks
