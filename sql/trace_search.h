// TraceSearch: the newest traces that match, found through the indexes whatever the filter.
//
// With a service, operation or attribute the conditions are about one span: duration and errors
// too. Without, they are about the whole trace. Made for one search; lent: the database.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "sql/database.h"
#include "sql/trace_reader.h"

namespace weft::sql {

struct TraceFilter {
  std::string service, operation;  // "": any
  int64_t min_duration_ns = 0, max_duration_ns = INT64_MAX;
  bool errors = false;                                          // failed ones only
  std::vector<std::pair<std::string, std::string>> attributes;  // key and value, as text
  int64_t from_ns = INT64_MIN, to_ns = INT64_MAX;               // start of the trace, [from, to)
  int64_t after_row = 0;  // only what was stored after this trace of the database: its row
  size_t limit = 20;
};

// Newest first by start.
Result<std::vector<StoredTrace>> SearchTraces(const Database& db, const TraceFilter& filter);

}  // namespace weft::sql
