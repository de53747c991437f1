// The version of a store, and how it is brought up to date.
//
// PRAGMA user_version is the number of migrations applied; PRAGMA application_id marks the file as
// weft's. A store of a newer version is refused by name, never touched. Views carry no data: they
// are made anew whenever their text differs from what the file has.
#pragma once

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sql {

inline constexpr int64_t kApplicationId = 0x77656674;  // "weft"
int64_t SchemaVersion();

// For writers: creates or migrates, in one transaction. kInvalid: a newer store, or a database
// of something else; kCorrupt: no database at all.
Result<void> ApplySchema(Database& db);

// For readers: the store is weft's and of this version. kNotFound: an empty file.
Result<void> CheckSchema(const Database& db);

}  // namespace weft::sql
