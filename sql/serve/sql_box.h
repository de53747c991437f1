// SqlBox: one statement of the user's over a lease, as JSON, within bounds.
//
// It can read the stores and nothing else: no other file (ATTACH), no setting (PRAGMA), no table of
// its own; the connection is read-only anyway. Rows, bytes, single values and time are limited.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "sql/serve/json_out.h"
#include "sql/serve/reader_pool.h"

namespace weft::serve {

inline constexpr size_t kMostRows = 5'000;
inline constexpr size_t kMostRowBytes = 8 << 20;

// Appends the fields "columns", "rows", "truncated" to an open object. With `plan` how SQLite would
// search, in place of the rows. kInvalid: the SQL is wrong, or more than one statement; kDenied: it
// asks for what is not allowed; kCancelled: its time was over.
Result<void> RunSql(ReaderPool::Lease& lease, std::string_view sql, bool plan, JsonOut& json);

}  // namespace weft::serve
