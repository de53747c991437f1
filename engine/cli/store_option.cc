#include "engine/cli/store_option.h"

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::cli {

void DeclareStore(Options& options, std::string* path) {
  options.Text("-d,--db", path, "Database to read", "FILE");
}

Result<sql::Database> OpenStore(const std::string& path) {
  auto db = sql::Database::OpenForReading(path);
  if (!db && db.error().code == Code::kNotFound)
    return Fail(Code::kNotFound,
                db.error().message + "; `weft run` makes one, --db names another file");
  return db;
}

int64_t Since(const Clock& clock, int64_t last_ns) {
  return last_ns == 0 ? INT64_MIN : clock.UnixNs() - last_ns;
}

std::string NewestTraceHint(const sql::Database& db, const Clock& clock) {
  const auto newest = db.QueryInt("SELECT max(start_ns) FROM trace_rows");
  if (!newest || *newest == 0) return "the database holds no traces yet";
  return fmt::format("the newest trace began {} ago",
                     ShortDuration(std::max<int64_t>(clock.UnixNs() - *newest, 0)));
}

}  // namespace weft::cli
