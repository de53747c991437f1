// What the commands that read a store share: --db, and opening it with a helpful error.
#pragma once

#include <string>

#include "engine/cli/command.h"
#include "sql/database.h"

namespace weft::cli {

inline constexpr const char* kDefaultStore = "weft.db";

void DeclareStore(Options& options, std::string* path);
// Read-only; works while weft writes.
Result<sql::Database> OpenStore(const std::string& path);
// The beginning of "the last d": `now` minus d, or the smallest time for d = 0.
int64_t Since(const Clock& clock, int64_t last_ns);
// For an empty answer to a question about the last d: says how old the newest trace is.
std::string NewestTraceHint(const sql::Database& db, const Clock& clock);

}  // namespace weft::cli
