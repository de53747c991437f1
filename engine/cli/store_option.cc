#include "engine/cli/store_option.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::cli {

void DeclareStore(Options& options, StoreNames* names) {
  options.List("-d,--db", names,
               "Databases to read, as one: repeated, comma-separated, or a quoted pattern", "FILE");
}

Result<sql::StoreSet> OpenStore(const StoreNames& names) {
  auto stores = sql::StoreSet::Open(names);
  if (!stores && stores.error().code == Code::kNotFound)
    return Fail(Code::kNotFound,
                stores.error().message + "; `weft run` makes one, --db names another file");
  return stores;
}

int64_t Since(const Clock& clock, int64_t last_ns) {
  return last_ns == 0 ? INT64_MIN : clock.UnixNs() - last_ns;
}

std::string NewestTraceHint(const sql::StoreSet& stores, const Clock& clock) {
  int64_t newest = 0;
  for (const sql::Database& db : stores)
    newest = std::max(newest, db.QueryInt("SELECT max(start_ns) FROM trace_rows").value_or(0));
  if (newest == 0) return "the database holds no traces yet";
  return fmt::format("the newest trace began {} ago",
                     ShortDuration(std::max<int64_t>(clock.UnixNs() - newest, 0)));
}

}  // namespace weft::cli
