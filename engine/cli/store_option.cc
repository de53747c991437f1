#include "engine/cli/store_option.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/base/nearest_word.h"
#include "engine/base/units.h"

namespace weft::cli {

void DeclareStore(Options& options, StoreNames* names) {
  options.List("-d,--db", names,
               "Databases to read, as one: repeated, comma-separated, or a quoted pattern", "FILE");
}

std::unexpected<Error> NoStore(Error error) {
  if (error.code == Code::kNotFound)
    error.message += "; `weft run` makes one, --db names another file";
  return std::unexpected(std::move(error));
}

Result<sql::StoreSet> OpenStore(const StoreNames& names, CommandContext& context) {
  auto stores = sql::StoreSet::Open(names);
  if (!stores) return NoStore(stores.error());
  for (const Error& error : stores->passed_over())
    PrintNote(fmt::format("weft: passed over: {}\n", error.message));
  for (const Error& error : stores->unread())
    PrintNote(fmt::format("weft: not read, and missing in the answer: {}\n", error.message));
  context.incomplete |= !stores->unread().empty();
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

namespace {

// "there is no service \"crat\"; did you mean \"cart\"?", "" where there is one.
std::string Unknown(const sql::StoreSet& stores, std::string_view what, std::string_view column,
                    const std::string& name) {
  std::set<std::string> known;
  for (const sql::Database& db : stores) {
    auto names = db.Prepare(fmt::format("SELECT DISTINCT {} FROM operations", column));
    if (!names) return "";
    while (true) {
      const auto row = names->Step();
      if (!row) return "";
      if (!*row) break;
      known.emplace(names->Text(0));
    }
  }
  if (name.empty() || known.empty() || known.contains(name)) return "";
  const std::vector<std::string_view> words(known.begin(), known.end());
  const std::string_view near = NearestWord(name, words);
  return fmt::format("there is no {} \"{}\"{}", what, name,
                     near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

}  // namespace

std::string NoMatchHint(const sql::StoreSet& stores, const sql::TraceFilter& filter,
                        const Clock& clock) {
  std::string hint = Unknown(stores, "service", "service", filter.service);
  if (hint.empty()) hint = Unknown(stores, "operation", "name", filter.operation);
  return hint.empty() ? NewestTraceHint(stores, clock) : hint;
}

}  // namespace weft::cli
