#include "engine/cli/store_state.h"

#include <filesystem>

#include <fmt/format.h>

#include "engine/base/result.h"
#if WEFT_HAVE_SQLITE
#include "sql/database.h"
#endif

namespace weft::cli {
namespace {

namespace fs = std::filesystem;

uint64_t BytesOnDisk(const std::string& path) {
  uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code missing;
    const auto size = fs::file_size(path + suffix, missing);
    if (!missing) bytes += size;
  }
  return bytes;
}

#if WEFT_HAVE_SQLITE
// Only the newest spans are looked at: a store may be large.
constexpr std::string_view kUnread = R"(
  SELECT o.service, coalesce(c.peer, ''), o.kind = 2,
    coalesce(json_extract(coalesce(s.attributes, '{}'), '$."weft.protocol_guess"'),
      json_extract(coalesce(a.json, '{}'), '$."weft.protocol_guess"'), '') AS guess,
    count(*), sum(s.request_bytes + s.response_bytes)
  FROM (SELECT * FROM span_rows ORDER BY id DESC LIMIT 100000) s
  JOIN operations o ON o.id = s.operation AND o.protocol = 3
  LEFT JOIN connection_rows c ON c.id = s.connection
  LEFT JOIN attribute_sets a ON a.id = s.attribute_set
  GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1, 2 LIMIT 10)";

Result<void> ReadUnread(const sql::Database& db, StoreState& state) {
  auto rows = db.Prepare(kUnread);
  if (!rows) return std::unexpected(rows.error());
  while (true) {
    const auto row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    state.unread.push_back({std::string(rows->Text(0)), std::string(rows->Text(1)),
                            rows->Int(2) != 0, std::string(rows->Text(3)),
                            static_cast<uint64_t>(rows->Int(4)),
                            static_cast<uint64_t>(rows->Int(5))});
  }
}

constexpr std::string_view kTraced = R"(
  SELECT p.pid, o.service, sum(o.protocol <> 3), sum(o.protocol = 3),
    max(coalesce(json_extract(coalesce(s.attributes, '{}'), '$."weft.protocol_guess"'),
      json_extract(coalesce(a.json, '{}'), '$."weft.protocol_guess"'), ''))
  FROM (SELECT * FROM span_rows ORDER BY id DESC LIMIT 100000) s
  JOIN operations o ON o.id = s.operation
  JOIN connection_rows c ON c.id = s.connection
  JOIN process_rows p ON p.id = c.process
  LEFT JOIN attribute_sets a ON a.id = s.attribute_set
  GROUP BY 1, 2)";

Result<void> ReadTraced(const sql::Database& db, StoreState& state) {
  auto rows = db.Prepare(kTraced);
  if (!rows) return std::unexpected(rows.error());
  while (true) {
    const auto row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    state.traced.push_back({static_cast<uint32_t>(rows->Int(0)), std::string(rows->Text(1)),
                            static_cast<uint64_t>(rows->Int(2)),
                            static_cast<uint64_t>(rows->Int(3)), std::string(rows->Text(4))});
  }
}

Result<void> Read(const std::string& path, StoreState& state) {
  auto db = sql::Database::OpenForReading(path);
  if (!db) return std::unexpected(db.error());
  const auto count = [&](std::string_view sql, uint64_t& out) -> Result<void> {
    const auto value = db->QueryInt(sql);
    if (!value) return std::unexpected(value.error());
    out = static_cast<uint64_t>(*value);
    return {};
  };
  uint64_t ended = 0;
  WEFT_TRY(count("SELECT count(*) FROM trace_rows", state.traces));
  WEFT_TRY(count("SELECT count(*) FROM span_rows", state.spans));
  WEFT_TRY(count("SELECT ended FROM runs ORDER BY id DESC LIMIT 1", ended));
  state.run_ended = ended != 0;
  uint64_t started = 0, updated = 0, newest = 0;
  WEFT_TRY(count("SELECT started_ns FROM runs ORDER BY id DESC LIMIT 1", started));
  WEFT_TRY(count("SELECT updated_ns FROM runs ORDER BY id DESC LIMIT 1", updated));
  WEFT_TRY(count("SELECT max(start_ns) FROM trace_rows", newest));
  state.run_started_ns = static_cast<int64_t>(started);
  state.run_updated_ns = static_cast<int64_t>(updated);
  state.newest_ns = static_cast<int64_t>(newest);
  WEFT_TRY(ReadTraced(*db, state));
  WEFT_TRY(ReadUnread(*db, state));
  auto rows = db->Prepare("SELECT name, value FROM ledger ORDER BY name");
  if (!rows) return std::unexpected(rows.error());
  while (true) {
    const auto row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    state.ledger.emplace_back(rows->Text(0), static_cast<uint64_t>(rows->Int(1)));
  }
}
#else
Result<void> Read(const std::string& path, StoreState&) {
  return Fail(Code::kUnsupported, fmt::format("{}: this weft was built without SQLite", path));
}
#endif

}  // namespace

StoreState ReadStoreState(const std::string& path) {
  StoreState state;
  std::error_code ignored;
  state.exists = fs::exists(path, ignored);
  if (!state.exists) return state;
  state.bytes = BytesOnDisk(path);
  if (const auto read = Read(path, state); !read) {
    state.problem = read.error().message;
    state.problem_code = read.error().code;
  }
  return state;
}

}  // namespace weft::cli
