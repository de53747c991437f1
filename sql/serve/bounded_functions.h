// BoundedFunctions: SQLite's own functions whose time grows with the product of their arguments'
// sizes, made to refuse what would take long.
//
// A time limit is looked at when a statement jumps; one call of instr() or trim() on megabytes is a
// single step of minutes, and a row may have a thousand of them. Everything else is linear, and
// SQLITE_LIMIT_LENGTH bounds it.
#pragma once

struct sqlite3;

namespace weft::serve {

// Whether the time is over; called with `lent`.
using Expired = bool (*)(const void* lent);

// An SQLite result code. On `db` instr, replace, trim, ltrim, rtrim, like, glob and json_patch stay
// what they are for what is not huge, while there is time. For the life of the connection, which
// `lent` must outlive: SQLite does not give them back.
int BoundFunctions(sqlite3* db, Expired expired, const void* lent);

}  // namespace weft::serve
