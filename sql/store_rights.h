// ShareStore: lets a group read a store, for `store.group`. Called by who writes it: before the
// file is opened, and again when the files beside it are there. Opens nothing that SQLite has open:
// to close a descriptor of its files would drop its locks.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sql {

// The file, made where it is missing, and its -wal and -shm get mode 0640 and the group; "":
// nothing is done. kInvalid: no such group here; kDenied: only root and members can give files to
// it.
Result<void> ShareStore(const std::string& path, const std::string& group);

// The same for one that is open for writing, with its log beside it; and the log stays when the
// last writer leaves: who cannot write in the folder could not make one, and needs it to read.
Result<void> ShareOpenStore(const Database& db, const std::string& group);

}  // namespace weft::sql
