// The SQL functions of weft: in `weft sql`, and for any SQLite tool as the extension weft_sql.so.
//
//   trace_id_text(blob), span_id_text(integer)   ids as weft prints them
//   span_id(text)                                the integer that the tables have
//   duration_text(ns), duration('50ms')          either way
//   time_text(ns)                                UTC with milliseconds
//   attribute(attributes, 'http.route')          a value by its key, dots and all; NULL: none
//   percentile(value, 95)                        aggregate, nearest rank; NULLs do not count
//
// Register per connection. Errors become SQL errors; nothing is thrown into SQLite.
#pragma once

struct sqlite3;

namespace weft::sql {

// An SQLite result code.
int RegisterFunctions(sqlite3* db);

}  // namespace weft::sql
