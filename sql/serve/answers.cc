#include "sql/serve/answers.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::serve {
namespace {

constexpr std::string_view kKinds[] = {"", "internal", "server", "client", "producer", "consumer"};

}  // namespace

std::string_view KindName(int64_t kind) {
  return kind >= 0 && kind < static_cast<int64_t>(std::size(kKinds))
             ? kKinds[static_cast<size_t>(kind)]
             : std::string_view{};
}

Result<std::vector<std::string>> ReadServices(const sql::StoreSet& stores) {
  std::set<std::string> names;
  for (const sql::Database& db : stores) {
    Result<sql::Statement> rows = db.Prepare("SELECT DISTINCT service FROM operations");
    if (!rows) return std::unexpected(rows.error());
    for (;;) {
      const Result<bool> row = rows->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      names.emplace(rows->Text(0));
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<Operation>> ReadOperations(const sql::StoreSet& stores,
                                              std::string_view service) {
  std::set<Operation> found;
  for (const sql::Database& db : stores) {
    Result<sql::Statement> rows =
        db.Prepare("SELECT DISTINCT name, kind FROM operations WHERE ?1 = '' OR service = ?1");
    if (!rows) return std::unexpected(rows.error());
    rows->Bind(1, service);
    for (;;) {
      const Result<bool> row = rows->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      found.insert({std::string(rows->Text(0)), std::string(KindName(rows->Int(1)))});
    }
  }
  return std::vector<Operation>(found.begin(), found.end());
}

Result<WholeTrace> ReadWhole(const sql::StoreSet& stores, sql::StoredTrace trace) {
  if (trace.spans > kMaxTraceSpans)
    return Fail(Code::kFull,
                fmt::format("trace {} has {} spans, more than the {} shown here; `weft "
                            "trace` and `weft export` have them all",
                            trace.trace_id, trace.spans, kMaxTraceSpans));
  Result<std::vector<sql::StoredSpan>> spans = sql::ReadSpans(stores[trace.store], trace.row);
  if (!spans) return std::unexpected(spans.error());
  return WholeTrace{std::move(trace), std::move(*spans)};
}

int StatusOf(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kNotFound: return 404;
    case Code::kDenied: return 403;
    case Code::kFull: return 503;
    case Code::kCancelled: return 504;
    default: return 500;
  }
}

std::string MessageOf(const Error& error, int64_t query_ns) {
  if (error.code != Code::kCancelled) return error.message;
  return fmt::format(
      "not done after {}: ask for less time or less data, or start weft serve with "
      "a longer --timeout",
      FormatDuration(query_ns));
}

}  // namespace weft::serve
