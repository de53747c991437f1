#include "sinks/sqlite/ledger_writer.h"

#include "sql/schema.h"
#include "sql/store_rights.h"

namespace weft::sinks {
namespace {
// Runs whose counters are kept.
constexpr int kKeepRuns = 50;
}  // namespace

Result<LedgerWriter> LedgerWriter::Open(const std::string& path, std::string_view version,
                                        const Clock& clock, const std::string& group) {
  WEFT_TRY(sql::ShareStore(path, group));
  Result<sql::Database> db = sql::Database::OpenForWriting(path);
  if (!db) return std::unexpected(db.error());
  // Whoever comes first makes the file, so this must agree with SqliteSink.
  WEFT_TRY(db->Execute("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL"));
  WEFT_TRY(sql::ApplySchema(*db));
  WEFT_TRY(db->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL"));
  if (!group.empty()) WEFT_TRY(sql::ShareOpenStore(*db, group));
  LedgerWriter writer(std::move(*db), clock);
  Result<sql::Statement> add = writer.db_.Prepare(
      "INSERT INTO runs(version, started_ns, updated_ns) VALUES(?1, ?2, ?2) RETURNING id");
  if (!add) return std::unexpected(add.error());
  add->Bind(1, version);
  add->Bind(2, clock.UnixNs());
  WEFT_TRY(add->Step());
  writer.run_ = add->Int(0);
  add->Reset();
  return writer;
}

Result<void> LedgerWriter::Write(const std::vector<std::pair<std::string, uint64_t>>& counters,
                                 bool ended) {
  WEFT_TRY(db_.Execute("BEGIN IMMEDIATE"));
  Result<void> done = WriteRows(counters, ended);
  if (done) done = db_.Execute("COMMIT");
  if (!done) (void)db_.Execute("ROLLBACK");
  return done;
}

Result<void> LedgerWriter::WriteRows(const std::vector<std::pair<std::string, uint64_t>>& counters,
                                     bool ended) {
  Result<sql::Statement> put = db_.Prepare("INSERT OR REPLACE INTO ledger_rows VALUES(?1, ?2, ?3)");
  Result<sql::Statement> run =
      db_.Prepare("UPDATE runs SET updated_ns = ?2, ended = ?3 WHERE id = ?1");
  Result<sql::Statement> prune = db_.Prepare("DELETE FROM runs WHERE id <= ?1");
  Result<sql::Statement> prune_rows = db_.Prepare("DELETE FROM ledger_rows WHERE run <= ?1");
  for (const auto* statement : {&put, &run, &prune, &prune_rows})
    if (!*statement) return std::unexpected(statement->error());
  for (const auto& [name, value] : counters) {
    put->Bind(1, run_);
    put->Bind(2, std::string_view(name));
    put->Bind(3, static_cast<int64_t>(value));
    WEFT_TRY(put->Run());
  }
  run->Bind(1, run_);
  run->Bind(2, clock_->UnixNs());
  run->Bind(3, int64_t{ended});
  WEFT_TRY(run->Run());
  prune->Bind(1, run_ - kKeepRuns);
  prune_rows->Bind(1, run_ - kKeepRuns);
  WEFT_TRY(prune->Run());
  return prune_rows->Run();
}

}  // namespace weft::sinks
