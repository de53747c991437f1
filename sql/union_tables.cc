#include "sql/union_tables.h"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "sql/union_cursor.h"

namespace weft::sql {
namespace {

constexpr const char* kModule = "weft_stores";

struct Table : sqlite3_vtab {
  const StoreSet* stores = nullptr;
  std::string name;
  std::vector<std::string> columns;
};

struct Cursor : sqlite3_vtab_cursor {
  explicit Cursor(const StoreSet& stores) : sqlite3_vtab_cursor{}, rows(stores) {}
  UnionCursor rows;
};

int Fail(sqlite3_vtab* table, const Error& error) {
  sqlite3_free(table->zErrMsg);
  table->zErrMsg = sqlite3_mprintf("%s", error.message.c_str());
  switch (error.code) {
    case Code::kCancelled: return SQLITE_INTERRUPT;
    case Code::kCorrupt: return SQLITE_CORRUPT;
    case Code::kInvalid: return SQLITE_ERROR;
    default: return SQLITE_IOERR;
  }
}

// argv[3] is the view; its columns are those of the first store.
int Connect(sqlite3* db, void* aux, int argc, const char* const* argv, sqlite3_vtab** out,
            char** error) noexcept {
  const auto& stores = *static_cast<const StoreSet*>(aux);
  auto* const table = new Table;
  table->stores = &stores;
  table->name = argc > 3 ? argv[3] : "";
  *out = table;
  Result<Statement> columns = stores[0].Prepare("SELECT name, type FROM pragma_table_info(?1)");
  if (!columns) {
    *error = sqlite3_mprintf("%s", columns.error().message.c_str());
    return SQLITE_ERROR;
  }
  columns->Bind(1, std::string_view(table->name));
  std::string declaration = "CREATE TABLE x(";
  for (;;) {
    const Result<bool> row = columns->Step();
    if (!row || !*row) break;
    table->columns.emplace_back(columns->Text(0));
    declaration += fmt::format("\"{}\" {},", columns->Text(0), columns->Text(1));
  }
  return sqlite3_declare_vtab(db, (declaration + "store TEXT HIDDEN)").c_str());
}

int Disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}

const char* OperatorText(int op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ: return "=";
    case SQLITE_INDEX_CONSTRAINT_GT: return ">";
    case SQLITE_INDEX_CONSTRAINT_GE: return ">=";
    case SQLITE_INDEX_CONSTRAINT_LT: return "<";
    case SQLITE_INDEX_CONSTRAINT_LE: return "<=";
    default: return nullptr;
  }
}

bool OrderIsOurs(const sqlite3_index_info& info, int columns) {
  for (int i = 0; i < info.nOrderBy; ++i)
    if (info.aOrderBy[i].iColumn < 0 || info.aOrderBy[i].iColumn >= columns) return false;
  return info.nOrderBy > 0;
}

int BestIndex(sqlite3_vtab* base, sqlite3_index_info* info) noexcept {
  const auto& table = *static_cast<Table*>(base);
  const int columns = static_cast<int>(table.columns.size());
  UnionPlan plan;
  if (OrderIsOurs(*info, columns)) {
    for (int i = 0; i < info->nOrderBy; ++i)
      plan.order.push_back({info->aOrderBy[i].iColumn, info->aOrderBy[i].desc != 0});
    info->orderByConsumed = 1;
  }
  plan.sql = "SELECT ";
  for (int i = 0; i < columns; ++i) {
    // The last bit stands for all columns from the 64th on.
    const bool used = (info->colUsed >> (i < 63 ? i : 63) & 1) != 0;
    plan.sql +=
        fmt::format("{}{}", i == 0 ? "" : ", ",
                    used ? fmt::format("\"{}\"", table.columns[static_cast<size_t>(i)]) : "NULL");
  }
  plan.sql += fmt::format(" FROM \"{}\"", table.name);
  double rows = 1e6 * static_cast<double>(table.stores->size());
  int values = 0;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    const char* const op = OperatorText(constraint.op);
    if (!constraint.usable || !op || constraint.iColumn < 0 || constraint.iColumn >= columns)
      continue;
    info->aConstraintUsage[i].argvIndex = ++values;
    plan.sql += fmt::format(" {} \"{}\" {} ?{}", values == 1 ? "WHERE" : "AND",
                            table.columns[static_cast<size_t>(constraint.iColumn)], op, values);
    rows /= constraint.op == SQLITE_INDEX_CONSTRAINT_EQ ? 1'000 : 4;
  }
  for (size_t i = 0; i < plan.order.size(); ++i)
    plan.sql += fmt::format("{} \"{}\"{}", i == 0 ? " ORDER BY" : ",",
                            table.columns[static_cast<size_t>(plan.order[i].column)],
                            plan.order[i].descending ? " DESC" : "");
  info->idxStr = sqlite3_mprintf("%s", plan.Encode().c_str());
  info->needToFreeIdxStr = 1;
  info->estimatedRows = static_cast<sqlite3_int64>(rows) + 1;
  info->estimatedCost = rows + 10;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

int OpenCursor(sqlite3_vtab* table, sqlite3_vtab_cursor** out) noexcept {
  *out = new Cursor(*static_cast<Table*>(table)->stores);
  return SQLITE_OK;
}

int CloseCursor(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* cursor, int, const char* plan, int values,
           sqlite3_value** value) noexcept {
  const Result<void> done = static_cast<Cursor*>(cursor)->rows.Start(plan, values, value);
  return done ? SQLITE_OK : Fail(cursor->pVtab, done.error());
}

int Next(sqlite3_vtab_cursor* cursor) noexcept {
  const Result<void> done = static_cast<Cursor*>(cursor)->rows.Next();
  return done ? SQLITE_OK : Fail(cursor->pVtab, done.error());
}

int AtEnd(sqlite3_vtab_cursor* cursor) { return static_cast<Cursor*>(cursor)->rows.AtEnd(); }

int Column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int column) noexcept {
  const UnionCursor& rows = static_cast<Cursor*>(cursor)->rows;
  if (static_cast<size_t>(column) < static_cast<Table*>(cursor->pVtab)->columns.size())
    sqlite3_result_value(context, rows.Value(column));
  else
    sqlite3_result_text(context, rows.store().c_str(), -1, SQLITE_TRANSIENT);
  return SQLITE_OK;
}

int RowId(sqlite3_vtab_cursor* cursor, sqlite3_int64* row) {
  *row = static_cast<Cursor*>(cursor)->rows.row();
  return SQLITE_OK;
}

const sqlite3_module& Module() {
  static const sqlite3_module module = [] {
    sqlite3_module m{};
    m.xCreate = m.xConnect = Connect;
    m.xDisconnect = m.xDestroy = Disconnect;
    m.xBestIndex = BestIndex;
    m.xOpen = OpenCursor;
    m.xClose = CloseCursor;
    m.xFilter = Filter;
    m.xNext = Next;
    m.xEof = AtEnd;
    m.xColumn = Column;
    m.xRowid = RowId;
    return m;
  }();
  return module;
}

// Views that sum up: over the tables of the same connection, in the text that the stores have, but
// that the numbers of operations differ between stores.
constexpr const char* kSummaries[] = {
    "red", "red_minutes", "red_hour", "latency", "rules", "service_graph", "service_graph_minutes"};
constexpr std::string_view kBySeries = "BY series", kByNames = "BY service, operation";

// Views that need another text over several stores.
constexpr struct {
  const char* name;
  const char* sql;
} kRewritten[] = {
    {"slow_traces", "SELECT * FROM slow_traces_of_stores ORDER BY duration_ms DESC"},
    {"processes", "SELECT DISTINCT * FROM processes_of_stores"},
    {"ledger", "SELECT name, sum(value) AS value FROM ledger_of_stores GROUP BY name"},
};

Result<std::vector<std::string>> Names(const Database& db) {
  Result<Statement> views = db.Prepare("SELECT name FROM sqlite_master WHERE type = 'view'");
  if (!views) return std::unexpected(views.error());
  std::vector<std::string> names;
  for (;;) {
    const Result<bool> row = views->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return names;
    names.emplace_back(views->Text(0));
  }
}

Result<std::string> TextOf(const Database& db, std::string_view view) {
  Result<Statement> text = db.Prepare("SELECT sql FROM main.sqlite_master WHERE name = ?1");
  if (!text) return std::unexpected(text.error());
  text->Bind(1, view);
  const Result<bool> row = text->Step();
  if (!row) return std::unexpected(row.error());
  return std::string(text->Text(0));
}

Result<void> MakeView(const Database& db, const StoreSet& stores, const std::string& name) {
  for (const char* summary : kSummaries) {
    if (name != summary) continue;
    Result<std::string> text = TextOf(stores[0], name);
    if (!text) return std::unexpected(text.error());
    for (size_t at = 0; (at = text->find(kBySeries, at)) != text->npos; at += kByNames.size())
      text->replace(at, kBySeries.size(), kByNames);
    return db.Execute(*text);
  }
  const auto table = [&](std::string_view as) {
    return db.Execute(fmt::format("CREATE VIRTUAL TABLE {} USING {}({})", as, kModule, name));
  };
  for (const auto& [view, sql] : kRewritten) {
    if (name != view) continue;
    WEFT_TRY(table(name + "_of_stores"));
    return db.Execute(fmt::format("CREATE VIEW {} AS {}", name, sql));
  }
  return table(name);
}

}  // namespace

Result<Database> OpenUnion(const StoreSet& stores, bool sort_in_memory) {
  Result<Database> db = Database::OpenInMemory();
  if (!db) return db;
  if (sort_in_memory) WEFT_TRY(db->Execute("PRAGMA temp_store = MEMORY"));
  // The tables only read `stores`; the interface has no const.
  if (sqlite3_create_module_v2(db->get(), kModule, &Module(), const_cast<StoreSet*>(&stores),
                               nullptr) != SQLITE_OK)
    return std::unexpected(db->LastError("union of stores"));
  const Result<std::vector<std::string>> names = Names(stores[0]);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) WEFT_TRY(MakeView(*db, stores, name));
  WEFT_TRY(db->Execute("PRAGMA query_only = ON"));
  return db;
}

}  // namespace weft::sql
