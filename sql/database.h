// Database and Statement: SQLite with Results, for the sink that writes a store and everything that
// reads one.
//
// A Database is one connection and belongs to one thread; statements must go before it. Both own
// their SQLite handle. Errors carry the file's name and SQLite's words; FromSqlite says which Code
// an SQLite result has.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <sqlite3.h>

#include "engine/base/result.h"

namespace weft::sql {

// kFull: disk full; kCorrupt: damaged or no database; kDenied: rights; kCancelled: interrupted;
// kIo: everything that may pass (locked, I/O errors); kInvalid: the SQL is wrong.
Code CodeOf(int sqlite_result);

class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* stmt) : stmt_(stmt) {}

  void Bind(int index, int64_t value) { sqlite3_bind_int64(stmt_.get(), index, value); }
  void Bind(int index, double value) { sqlite3_bind_double(stmt_.get(), index, value); }
  // The text must live until the statement is reset or bound again.
  void Bind(int index, std::string_view text) {
    sqlite3_bind_text(stmt_.get(), index, text.data() ? text.data() : "",
                      static_cast<int>(text.size()), SQLITE_STATIC);
  }
  void BindBlob(int index, std::string_view bytes) {
    // Without an address no bytes would be NULL.
    sqlite3_bind_blob(stmt_.get(), index, bytes.data() ? bytes.data() : "",
                      static_cast<int>(bytes.size()), SQLITE_STATIC);
  }
  void BindNull(int index) { sqlite3_bind_null(stmt_.get(), index); }

  // One step: true for a row, false at the end. Resets itself at the end and on failure.
  Result<bool> Step();
  // For statements without rows: one step and a reset.
  Result<void> Run();
  void Reset() { sqlite3_reset(stmt_.get()); }

  int64_t Int(int column) const { return sqlite3_column_int64(stmt_.get(), column); }
  double Double(int column) const { return sqlite3_column_double(stmt_.get(), column); }
  bool IsNull(int column) const { return sqlite3_column_type(stmt_.get(), column) == SQLITE_NULL; }
  // Valid until the next step. Bytes for blobs.
  std::string_view Text(int column) const;

  sqlite3_stmt* get() const { return stmt_.get(); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* stmt) const { sqlite3_finalize(stmt); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> stmt_;
};

using StatementText = std::pair<Statement*, std::string_view>;

inline constexpr std::string_view kMemoryPath = ":memory:";

class Database {
 public:
  Database() = default;
  // Both: kInvalid where the path is a directory, a pipe or the like.
  // For writing; made with mode 0600 where missing. No schema is applied yet.
  static Result<Database> OpenForWriting(const std::string& path);
  // For reading, while others write as well; temporary tables and sorting are in memory. kNotFound
  // where there is no such file. The schema is checked: see CheckSchema in schema.h.
  static Result<Database> OpenForReading(const std::string& path);
  // Of a file that OpenForReading refused as kCorrupt or kInvalid: whether it is a store all the
  // same, a damaged one or one of another version of weft.
  static bool IsRefusedStore(const std::string& path);
  // Empty, private to this object; path() is kMemoryPath.
  static Result<Database> OpenInMemory();

  Result<Statement> Prepare(std::string_view sql) const;
  // Each text into its statement; the first error ends it.
  Result<void> PrepareAll(std::span<const StatementText> all) const;
  // Several statements in one text; rows are ignored.
  Result<void> Execute(std::string_view sql) const;
  // The first column of the first row, 0 where there is none.
  Result<int64_t> QueryInt(std::string_view sql) const;

  Error LastError(std::string_view what) const;
  const std::string& path() const { return path_; }
  sqlite3* get() const { return db_.get(); }
  explicit operator bool() const { return db_ != nullptr; }
  void Close() { db_.reset(); }

 private:
  static Result<Database> Open(const std::string& path, const std::string& name, int flags);
  struct CloseHandle {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::unique_ptr<sqlite3, CloseHandle> db_;
  std::string path_;
};

// What is read while it lives is of one moment. Thousands of small questions are three times as
// fast so: each statement alone takes and gives back two locks, and forgets the pages that it read
// whenever somebody has written. Inside another transaction it does nothing.
class ReadTransaction {
 public:
  explicit ReadTransaction(const Database& db);
  ~ReadTransaction();
  ReadTransaction(const ReadTransaction&) = delete;
  ReadTransaction& operator=(const ReadTransaction&) = delete;

 private:
  const Database& db_;
  const bool begun_;
};

}  // namespace weft::sql
