#include "sql/snapshot.h"

#include <cerrno>
#include <memory>

#include <fmt/format.h>

#include "sql/database.h"
#include "sql/part_file.h"

namespace weft::sql {
namespace {

constexpr int kPagesAtOnce = 1024;  // 4 MB: a few milliseconds between two looks at go_on

struct FinishBackup {
  void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
};

// SQLite's words name neither file.
Error Failed(const std::string& to, int rc) {
  if ((rc & 0xff) == SQLITE_FULL || errno == ENOSPC)
    return {Code::kFull, fmt::format("{}: the disk is full", to)};
  return {CodeOf(rc), fmt::format("{}: {}", to, sqlite3_errstr(rc))};
}

Result<uint64_t> CopyPages(const Database& from, const Database& to,
                           const std::function<bool(uint64_t, uint64_t)>& go_on) {
  const auto page = from.QueryInt("PRAGMA page_size");
  if (!page) return std::unexpected(page.error());
  const auto page_bytes = static_cast<uint64_t>(*page);
  const std::unique_ptr<sqlite3_backup, FinishBackup> backup(
      sqlite3_backup_init(to.get(), "main", from.get(), "main"));
  if (!backup) return std::unexpected(to.LastError("copy"));
  while (true) {
    errno = 0;
    const int rc = sqlite3_backup_step(backup.get(), kPagesAtOnce);
    const auto all = static_cast<uint64_t>(sqlite3_backup_pagecount(backup.get()));
    const auto left = static_cast<uint64_t>(sqlite3_backup_remaining(backup.get()));
    if (rc == SQLITE_DONE) return all * page_bytes;
    if (rc != SQLITE_OK) return std::unexpected(Failed(to.path(), rc));
    if (!go_on((all - left) * page_bytes, all * page_bytes))
      return Fail(Code::kCancelled, fmt::format("{}: given up", to.path()));
  }
}

Result<uint64_t> Copy(const Database& source, const std::string& to,
                      const std::function<bool(uint64_t, uint64_t)>& go_on) {
  Result<Database> target = Database::OpenForWriting(to);
  if (!target) return std::unexpected(target.error());
  WEFT_TRY(target->Execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF"));
  const auto bytes = CopyPages(source, *target, go_on);
  if (!bytes) return bytes;
  // The pages say that there is a log. Without one the file can be read where no log can be made.
  WEFT_TRY(target->Execute("PRAGMA journal_mode = DELETE"));
  return bytes;
}

}  // namespace

Result<uint64_t> CopyStore(const std::string& from, const std::string& to,
                           const std::function<bool(uint64_t done, uint64_t all)>& go_on) {
  Result<PartFile> part = PartFile::Create(to);
  if (!part) return std::unexpected(part.error());
  Result<Database> source = Database::OpenForReading(from);
  if (!source) return std::unexpected(source.error());
  // The state that is copied is the one of this moment.
  WEFT_TRY(source->Execute("BEGIN; SELECT count(*) FROM sqlite_master"));
  const Result<uint64_t> bytes = Copy(*source, part->path(), go_on);
  if (bytes) WEFT_TRY(part->Publish());
  return bytes;
}

}  // namespace weft::sql
