#include "sql/serve/sql_box.h"

#include <array>
#include <algorithm>

#include <fmt/format.h>

namespace weft::serve {
namespace {

// What is linear in it takes milliseconds.
constexpr int kMostValueBytes = 1 << 20;
constexpr int kMostColumns = 200;
constexpr size_t kShownBlobBytes = 64;
// Beyond this a browser's numbers are not exact.
constexpr int64_t kExact = int64_t{1} << 53;
constexpr std::array<std::string_view, 7> kPragmas = {"table_info",   "table_xinfo", "table_list",
                                                      "index_list",   "index_info",  "index_xinfo",
                                                      "function_list"};

int Authorize(void*, int action, const char* first, const char* second, const char*,
              const char*) noexcept {
  const std::string_view name = first ? first : "", other = second ? second : "";
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    case SQLITE_FUNCTION: return other == "load_extension" ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
      return std::ranges::find(kPragmas, name) != kPragmas.end() ? SQLITE_OK : SQLITE_DENY;
    default: return SQLITE_DENY;
  }
}

// For as long as it lives the connection does what Authorize allows, with values of bounded size.
class Guard {
 public:
  explicit Guard(sqlite3* db)
      : db_(db),
        length_(sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kMostValueBytes)),
        columns_(sqlite3_limit(db, SQLITE_LIMIT_COLUMN, kMostColumns)) {
    sqlite3_set_authorizer(db, &Authorize, nullptr);
  }
  ~Guard() {
    sqlite3_set_authorizer(db_, nullptr, nullptr);
    sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, length_);
    sqlite3_limit(db_, SQLITE_LIMIT_COLUMN, columns_);
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  sqlite3* const db_;
  const int length_, columns_;
};

Result<sql::Statement> PrepareOne(sqlite3* db, std::string_view text) {
  sqlite3_stmt* raw = nullptr;
  const char* tail = nullptr;
  const int rc = sqlite3_prepare_v2(db, text.data(), static_cast<int>(text.size()), &raw, &tail);
  sql::Statement statement(raw);
  if (rc == SQLITE_AUTH)
    return Fail(Code::kDenied,
                fmt::format("{}: only SELECT over the stores is allowed here", sqlite3_errmsg(db)));
  if (rc != SQLITE_OK) return Fail(sql::CodeOf(rc), sqlite3_errmsg(db));
  if (raw == nullptr) return Fail(Code::kInvalid, "there is no statement");
  const std::string_view rest = text.substr(static_cast<size_t>(tail - text.data()));
  if (rest.find_first_not_of(" \t\r\n;") != rest.npos)
    return Fail(Code::kInvalid, "one statement at a time, please");
  if (sqlite3_bind_parameter_count(raw) > 0)
    return Fail(Code::kInvalid, fmt::format("the statement has a parameter {}: write its value",
                                            sqlite3_bind_parameter_name(raw, 1)
                                                ? sqlite3_bind_parameter_name(raw, 1)
                                                : "?"));
  return statement;
}

void PutValue(JsonOut& json, const sql::Statement& row, int column) {
  switch (sqlite3_column_type(row.get(), column)) {
    case SQLITE_NULL: json.Put(nullptr); return;
    case SQLITE_FLOAT: json.Put(row.Double(column)); return;
    case SQLITE_INTEGER:
      if (const int64_t value = row.Int(column); value > -kExact && value < kExact)
        json.Put(value);
      else
        json.Put(std::to_string(value));
      return;
    case SQLITE_BLOB: {
      const std::string_view bytes = row.Text(column);
      std::string hex = "x'";
      for (const char c : bytes.substr(0, kShownBlobBytes))
        hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
      json.Put(hex + (bytes.size() > kShownBlobBytes ? "...'" : "'"));
      return;
    }
    default: json.Put(row.Text(column));
  }
}

}  // namespace

Result<void> RunSql(ReaderPool::Lease& lease, std::string_view sql, bool plan, JsonOut& json) {
  const Result<const sql::Database*> db = lease.Sql();
  if (!db) return std::unexpected(db.error());
  const Guard guard((*db)->get());
  const std::string text = fmt::format("{}{}", plan ? "EXPLAIN QUERY PLAN " : "", sql);
  Result<sql::Statement> statement = PrepareOne((*db)->get(), text);
  if (!statement) return std::unexpected(statement.error());
  const int columns = sqlite3_column_count(statement->get());
  json.Key("columns").Array();
  for (int i = 0; i < columns; ++i) json.Put(sqlite3_column_name(statement->get(), i));
  json.End().Key("rows").Array();
  const size_t begin = json.size();
  bool truncated = false;
  for (size_t rows = 0;; ++rows) {
    const Result<bool> row = statement->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    truncated = rows == kMostRows || json.size() - begin > kMostRowBytes;
    if (truncated) break;
    json.Array();
    const size_t row_begin = json.size();
    for (int i = 0; i < columns; ++i) {
      PutValue(json, *statement, i);
      if (json.size() - row_begin > kMostRowBytes)
        return Fail(Code::kInvalid, "a row of more than 8 MB: choose fewer or shorter columns");
    }
    json.End();
  }
  json.End().Field("truncated", truncated);
  return {};
}

}  // namespace weft::serve
