// The SQL functions as a loadable extension for any SQLite tool:
//
//   sqlite3 weft.db ".load /usr/local/lib/weft/weft_sql" "select percentile(duration_ms, 95) from
//   spans"
#include <sqlite3ext.h>

#include "sql/functions.h"

const sqlite3_api_routines* sqlite3_api = nullptr;

// The name that SQLite makes of the file's.
extern "C" __attribute__((visibility("default"))) int sqlite3_weftsql_init(
    sqlite3* db, char**, const sqlite3_api_routines* api) {
  sqlite3_api = api;
  return weft::sql::RegisterFunctions(db);
}
