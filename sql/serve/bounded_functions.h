// BoundedFunctions: SQLite's own functions whose time grows with the product of their arguments'
// sizes, made to refuse what would take long.
//
// A time limit is looked at between two steps of a statement; one call of instr() or trim() on
// megabytes is a single step of minutes. Everything else is linear, and SQLITE_LIMIT_LENGTH and
// SQLITE_LIMIT_LIKE_PATTERN_LENGTH bound it.
#pragma once

struct sqlite3;

namespace weft::serve {

// An SQLite result code. On `db` instr, replace, trim, ltrim, rtrim and json_patch stay what they
// are for what is not huge. For the life of the connection: SQLite does not give them back.
int BoundFunctions(sqlite3* db);

}  // namespace weft::serve
