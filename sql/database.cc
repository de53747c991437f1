#include "sql/database.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "sql/schema.h"

namespace weft::sql {
namespace {

constexpr int kBusyTimeoutMs = 2'000;

// An URI's path part: the characters that would end it are escaped.
std::string Uri(const std::string& path, std::string_view query) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    else
      uri += c;
  }
  return uri.append(query);
}

bool HasContent(const std::string& path) {
  struct stat st {};
  return ::stat(path.c_str(), &st) == 0 && st.st_size > 0;
}

// SQLite would wait for ever for the other end of a pipe.
Result<void> CheckRegular(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0)
    return Fail(Code::kIo, fmt::format("{}: {}", path, std::strerror(errno)));
  if (S_ISREG(st.st_mode)) return {};
  return Fail(Code::kInvalid,
              fmt::format("{}: {}; name another file", path,
                          S_ISDIR(st.st_mode) ? "is a directory" : "is not a regular file"));
}

// SQLite would make the file with the umask's rights; traces are nobody else's business. The -wal
// and -shm files take over the rights of the main file. A file that is there is not opened, only
// asked about: closing any descriptor of it would drop the locks of every SQLite connection of this
// process, and then the next reader to leave takes itself for the last one and deletes the log.
Result<void> MakePrivate(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd >= 0) {
    ::close(fd);
    return {};
  }
  if ((errno == EEXIST || errno == EISDIR) &&
      ::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) == 0)
    return CheckRegular(path);
  return Fail(errno == EACCES || errno == EPERM || errno == EROFS ? Code::kDenied : Code::kIo,
              fmt::format("{}: {}", path, std::strerror(errno)));
}

std::string_view WayOut(int rc) {
  switch (rc & 0xff) {
    case SQLITE_CORRUPT: return "; `weft recover` reads what is left of it";
    case SQLITE_NOMEM: return ": the query needs more than it may have; ask for less";
    default: return "";
  }
}

// A search makes small temporary tables: files for them cost more than the search, and who may read
// a store may have no folder to write in.
void KeepTemporaries(const Database& db) { (void)db.Execute("PRAGMA temp_store = MEMORY"); }

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash + 1);
}

// What somebody can do who may not.
std::string WhoMayRead(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return "";
  if ((st.st_mode & S_IRGRP) != 0) {
    const struct group* const group = ::getgrgid(st.st_gid);
    const struct passwd* const user = ::getpwuid(::geteuid());
    return fmt::format("; its group may read it: usermod -aG {} {}, and log in anew",
                       group ? group->gr_name : std::to_string(st.st_gid),
                       user ? user->pw_name : std::to_string(::geteuid()));
  }
  return "; only its owner may read it: name a group in store.group, or let him make a copy: weft "
         "snapshot OUT";
}

}  // namespace

Code CodeOf(int sqlite_result) {
  switch (sqlite_result & 0xff) {
    case SQLITE_FULL: return Code::kFull;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::kCorrupt;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: return Code::kDenied;
    case SQLITE_INTERRUPT: return Code::kCancelled;
    case SQLITE_ERROR:
    case SQLITE_RANGE: return Code::kInvalid;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE: return Code::kInternal;
    default: return Code::kIo;
  }
}

Result<bool> Statement::Step() {
  const int rc = sqlite3_step(stmt_.get());
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) {
    sqlite3_reset(stmt_.get());
    return false;
  }
  sqlite3* const db = sqlite3_db_handle(stmt_.get());
  auto failure = Fail(CodeOf(rc), fmt::format("{}{}", sqlite3_errmsg(db), WayOut(rc)));
  sqlite3_reset(stmt_.get());
  return failure;
}

Result<void> Statement::Run() {
  const Result<bool> row = Step();
  if (!row) return std::unexpected(row.error());
  if (*row) Reset();
  return {};
}

std::string_view Statement::Text(int column) const {
  const void* const bytes = sqlite3_column_blob(stmt_.get(), column);
  const int size = sqlite3_column_bytes(stmt_.get(), column);
  return {static_cast<const char*>(bytes), bytes ? static_cast<size_t>(size) : 0};
}

Result<Database> Database::Open(const std::string& path, const std::string& name, int flags) {
  Database out;
  out.path_ = path;
  sqlite3* db = nullptr;
  const int rc = sqlite3_open_v2(name.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  out.db_.reset(db);
  if (rc != SQLITE_OK)
    return Fail(CodeOf(rc), fmt::format("{}: {}", path, db ? sqlite3_errmsg(db) : "out of memory"));
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  return out;
}

Result<Database> Database::OpenForWriting(const std::string& path) {
  WEFT_TRY(MakePrivate(path));
  return Open(path, path, SQLITE_OPEN_READWRITE);
}

Result<Database> Database::OpenForReading(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0)
    return Fail(Code::kNotFound, fmt::format("{}: no such database", path));
  if (::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) != 0) {
    const int error = errno;
    return Fail(Code::kDenied,
                fmt::format("{}: {}{}", path, std::strerror(error), WhoMayRead(path)));
  }
  WEFT_TRY(CheckRegular(path));
  Result<Database> db = Open(path, path, SQLITE_OPEN_READONLY);
  if (!db) return db;
  KeepTemporaries(*db);
  Result<void> readable = CheckSchema(*db);
  // A store in a folder where we may not write has no place for the -shm file that reading a WAL
  // database needs. If no log is waiting beside it, the file alone is the whole truth.
  if (!readable && !HasContent(path + "-wal") &&
      (readable.error().code == Code::kIo || readable.error().code == Code::kDenied)) {
    db = Open(path, Uri(path, "?immutable=1"), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    if (!db) return db;
    KeepTemporaries(*db);
    readable = CheckSchema(*db);
  }
  if (!readable && HasContent(path + "-wal") && ::access(FolderOf(path).c_str(), W_OK) != 0 &&
      (readable.error().code == Code::kIo || readable.error().code == Code::kDenied))
    return Fail(
        Code::kDenied,
        fmt::format("{0}: its log {0}-wal has what the file has not, and reading both needs a "
                    "folder that you may write: cp {0} {0}-wal DIR, or let its owner make a "
                    "copy: weft snapshot --db {0} OUT",
                    path));
  if (!readable) return std::unexpected(readable.error());
  return db;
}

bool Database::IsRefusedStore(const std::string& path) {
  if (!CheckRegular(path)) return false;
  for (const bool immutable : {false, true}) {
    const Result<Database> db = Open(path, Uri(path, immutable ? "?immutable=1" : ""),
                                     SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    if (!db) continue;
    if (const auto id = db->QueryInt("PRAGMA application_id"); id) return *id == kApplicationId;
    const int rc = sqlite3_errcode(db->get()) & 0xff;
    if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT) return rc == SQLITE_CORRUPT;
  }
  return true;
}

Result<Database> Database::OpenInMemory() {
  const std::string path(kMemoryPath);
  return Open(path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
}

Result<Statement> Database::Prepare(std::string_view sql) const {
  sqlite3_stmt* stmt = nullptr;
  if (sqlite3_prepare_v3(db_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &stmt, nullptr) != SQLITE_OK)
    return std::unexpected(LastError("prepare"));
  return Statement(stmt);
}

Result<void> Database::PrepareAll(std::span<const StatementText> all) const {
  for (const auto& [statement, sql] : all) {
    Result<Statement> prepared = Prepare(sql);
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    *statement = std::move(*prepared);
  }
  return {};
}

Result<void> Database::Execute(std::string_view sql) const {
  char* message = nullptr;
  const int rc = sqlite3_exec(db_.get(), std::string(sql).c_str(), nullptr, nullptr, &message);
  if (rc == SQLITE_OK) return {};
  const std::string text = message ? message : sqlite3_errstr(rc);
  sqlite3_free(message);
  return Fail(CodeOf(rc), fmt::format("{}: {}", path_, text));
}

Result<int64_t> Database::QueryInt(std::string_view sql) const {
  Result<Statement> statement = Prepare(sql);
  if (!statement) return std::unexpected(statement.error());
  const Result<bool> row = statement->Step();
  if (!row) return std::unexpected(LastError("query"));
  return *row ? statement->Int(0) : 0;
}

Error Database::LastError(std::string_view what) const {
  const int rc = sqlite3_extended_errcode(db_.get());
  return {CodeOf(rc),
          fmt::format("{}: {}: {}{}", path_, what, sqlite3_errmsg(db_.get()), WayOut(rc))};
}

ReadTransaction::ReadTransaction(const Database& db)
    : db_(db), begun_(sqlite3_get_autocommit(db.get()) != 0 && db.Execute("BEGIN")) {}

ReadTransaction::~ReadTransaction() {
  if (begun_ && !db_.Execute("COMMIT")) (void)db_.Execute("ROLLBACK");
}

}  // namespace weft::sql
