#include "sql/schema.h"

#include <fmt/format.h>

#include "engine/base/hash.h"
#include "sql/embedded_sql.h"

namespace weft::sql {
namespace {

struct Marks {
  int64_t application = 0, version = 0, objects = 0;
};

Result<Marks> ReadMarks(const Database& db) {
  Marks marks;
  for (const auto& [sql, out] : {std::pair{"PRAGMA application_id", &marks.application},
                                 std::pair{"PRAGMA user_version", &marks.version},
                                 std::pair{"SELECT count(*) FROM sqlite_master", &marks.objects}}) {
    const Result<int64_t> value = db.QueryInt(sql);
    if (!value) return std::unexpected(value.error());
    *out = *value;
  }
  return marks;
}

Result<void> CheckMarks(const Database& db, const Marks& marks) {
  if (marks.application != kApplicationId)
    return Fail(Code::kInvalid,
                fmt::format("{}: this is a database of something else, not a weft store; name "
                            "another file",
                            db.path()));
  if (marks.version > SchemaVersion())
    return Fail(Code::kInvalid,
                fmt::format("{}: written by a newer weft (schema {}, this one knows {}); use that "
                            "weft or another file",
                            db.path(), marks.version, SchemaVersion()));
  return {};
}

int64_t ViewsMark() {
  uint64_t hash = 0;
  for (const SqlFile& file : ViewFiles()) hash = HashCombine(hash, HashText(file.text));
  return static_cast<int64_t>(hash);
}

Result<void> RenewViews(Database& db) {
  WEFT_TRY(
      db.Execute("CREATE TABLE IF NOT EXISTS settings(name TEXT PRIMARY KEY, value) "
                 "WITHOUT ROWID"));
  const Result<int64_t> mark = db.QueryInt("SELECT value FROM settings WHERE name = 'views'");
  if (!mark) return std::unexpected(mark.error());
  if (*mark == ViewsMark()) return {};
  std::string drops;
  {
    Result<Statement> views = db.Prepare("SELECT name FROM sqlite_master WHERE type = 'view'");
    if (!views) return std::unexpected(views.error());
    for (;;) {
      const Result<bool> row = views->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      drops += fmt::format("DROP VIEW \"{}\";", views->Text(0));
    }
  }
  WEFT_TRY(db.Execute(drops));
  for (const SqlFile& file : ViewFiles())
    if (auto made = db.Execute(file.text); !made) return Context(made.error(), file.name);
  return db.Execute(
      fmt::format("INSERT OR REPLACE INTO settings VALUES('views', {})", ViewsMark()));
}

Result<void> Migrate(Database& db, int64_t version) {
  for (; version < SchemaVersion(); ++version) {
    const SqlFile& file = MigrationFiles()[static_cast<size_t>(version)];
    if (auto done = db.Execute(file.text); !done) return Context(done.error(), file.name);
  }
  return db.Execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}",
                                kApplicationId, SchemaVersion()));
}

}  // namespace

int64_t SchemaVersion() { return static_cast<int64_t>(MigrationFiles().size()); }

Result<void> ApplySchema(Database& db) {
  Result<Marks> marks = ReadMarks(db);
  if (!marks) return std::unexpected(marks.error());
  const bool empty = marks->application == 0 && marks->objects == 0;
  if (!empty) WEFT_TRY(CheckMarks(db, *marks));
  WEFT_TRY(db.Execute("BEGIN IMMEDIATE"));
  // Another process may have been here between the look and the lock.
  marks = ReadMarks(db);
  Result<void> done = marks ? Result<void>{} : std::unexpected(marks.error());
  if (done && marks->version < SchemaVersion()) done = Migrate(db, marks->version);
  if (done) done = RenewViews(db);
  if (done) done = db.Execute("COMMIT");
  if (!done) (void)db.Execute("ROLLBACK");
  return done;
}

Result<void> CheckSchema(const Database& db) {
  const Result<Marks> marks = ReadMarks(db);
  if (!marks) return std::unexpected(marks.error());
  if (marks->application == 0 && marks->objects == 0)
    return Fail(Code::kNotFound, fmt::format("{}: nothing is stored yet", db.path()));
  WEFT_TRY(CheckMarks(db, *marks));
  if (marks->version < SchemaVersion())
    return Fail(Code::kInvalid,
                fmt::format("{}: written by an older weft (schema {}, this one reads {}); `weft "
                            "run --db {}` brings it up to date",
                            db.path(), marks->version, SchemaVersion(), db.path()));
  return {};
}

}  // namespace weft::sql
