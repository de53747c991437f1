#include "engine/cli/stopped_replay.h"

#include <unistd.h>

#include <fmt/format.h>

#ifdef WEFT_HAVE_SQLITE
#include "sql/database.h"
#endif

namespace weft::cli {
namespace {

std::string CounterName(const sources::RecordingHeader& recording) {
  return fmt::format("replay.stopped{{recording={}}}", recording.created_unix_ns);
}

}  // namespace

void NoteStoppedReplay(Metrics& metrics, const sources::RecordingHeader& recording) {
  metrics.Get(CounterName(recording)).Set(1);
}

#ifdef WEFT_HAVE_SQLITE
Result<void> RefuseStoppedReplay(const std::string& db, const sources::RecordingHeader& recording) {
  if (db.empty() || ::access(db.c_str(), F_OK) != 0) return {};
  const Result<sql::Database> store = sql::Database::OpenForReading(db);
  if (!store) return {};
  Result<sql::Statement> stopped =
      store->Prepare("SELECT 1 FROM ledger_rows WHERE name = ?1 AND value > 0");
  if (!stopped) return {};
  const std::string name = CounterName(recording);
  stopped->Bind(1, std::string_view(name));
  const Result<bool> found = stopped->Step();
  if (!found || !*found) return {};
  return Fail(Code::kInvalid,
              fmt::format("{} has a part of this recording: its replay was stopped, and requests "
                          "that were under way stand there as traces of their own; name another "
                          "store with --db, or remove this one",
                          db));
}
#else
Result<void> RefuseStoppedReplay(const std::string&, const sources::RecordingHeader&) { return {}; }
#endif

}  // namespace weft::cli
