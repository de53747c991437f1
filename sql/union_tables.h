// The views of a StoreSet in one connection, for SQL of the user's.
//
// Each view about single rows (spans, traces, links, ...) becomes a virtual table that asks the
// view of the same name in every store, handing down conditions and order, so that each file's
// indexes serve; order is kept by merging. Views that sum up (red, service_graph) stand on those.
// SQLite's own way, ATTACH, ends at ten files, and joins of UNION ALL views read them whole.
// Each table has a hidden column `store`: the file that the row is from.
//
// The connection is read-only and lends `stores`, which must outlive it. One thread.
#pragma once

#include "engine/base/result.h"
#include "sql/store_set.h"

namespace weft::sql {

// sort_in_memory: where memory is bounded, and files are not wanted.
Result<Database> OpenUnion(const StoreSet& stores, bool sort_in_memory = false);

}  // namespace weft::sql
