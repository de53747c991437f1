// What trace_reader.h and trace_search.h do, over a StoreSet. `store` of an answer says in which of
// its databases the row is.
#pragma once

#include <string_view>
#include <vector>

#include "sql/store_set.h"
#include "sql/trace_search.h"

namespace weft::sql {

Result<StoredTrace> FindTrace(const StoreSet& stores, std::string_view prefix);
Result<StoredSpan> FindSpan(const StoreSet& stores, std::string_view prefix);
Result<StoredSpan> ReadSpan(const StoreSet& stores, uint64_t span_id);
// Newest first by start.
Result<std::vector<StoredTrace>> SearchTraces(const StoreSet& stores, const TraceFilter& filter);

}  // namespace weft::sql
