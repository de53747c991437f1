// What the commands that read stores share: --db, and opening them with a helpful error.
#pragma once

#include <string>
#include <vector>

#include "engine/cli/command.h"
#include "sql/store_set.h"
#include "sql/trace_search.h"

namespace weft::cli {

// Files or patterns; several are read as one.
using StoreNames = std::vector<std::string>;
inline const StoreNames kDefaultStore = {"weft.db"};

void DeclareStore(Options& options, StoreNames* names);
// Read-only; works while weft writes. Says what a pattern found and is not read; where that is a
// store, the answer is marked as incomplete.
Result<sql::StoreSet> OpenStore(const StoreNames& names, CommandContext& context);
// The error of opening stores, with what to do.
std::unexpected<Error> NoStore(Error error);
// The beginning of "the last d": `now` minus d, or the smallest time for d = 0.
int64_t Since(const Clock& clock, int64_t last_ns);
// For an empty answer to a question about the last d: says how old the newest trace is.
std::string NewestTraceHint(const sql::StoreSet& stores, const Clock& clock);
// For a filter that no trace fulfils: a service or an operation that nobody has, and what may have
// been meant; else as above.
std::string NoMatchHint(const sql::StoreSet& stores, const sql::TraceFilter& filter,
                        const Clock& clock);

}  // namespace weft::cli
