#include "plugins/correlator-sql/window_table.h"

#include <cmath>
#include <string_view>

namespace weft::plugins::sql {
namespace {

constexpr const char* kTable =
    "CREATE TABLE spans (row INTEGER PRIMARY KEY, role TEXT, kind TEXT, wants_parent INTEGER,"
    " span_id INTEGER, parent_id INTEGER, start_ns INTEGER, end_ns INTEGER, service TEXT,"
    " operation TEXT, peer TEXT, protocol TEXT, status TEXT, connection INTEGER,"
    " local_address TEXT, local_port INTEGER, remote_address TEXT, remote_port INTEGER,"
    " fd INTEGER, request_tid INTEGER, response_tid INTEGER, request_bytes INTEGER,"
    " response_bytes INTEGER, request_id TEXT);"
    // Most queries look for requests that began before a call did.
    "CREATE INDEX spans_by_start ON spans (kind, start_ns);";
constexpr int kColumns = 24;
constexpr int kStepsBetweenLooks = 1000;  // of SQLite's virtual machine, some 10 us

constexpr std::string_view kKinds[] = {"", "internal", "server", "client", "producer", "consumer"};
constexpr std::string_view kRoles[] = {"decide", "before", "ahead"};
constexpr std::string_view kProtocols[] = {"", "http1", "redis", "tcp"};
constexpr std::string_view kStatuses[] = {"unset", "ok", "error"};

template <size_t N>
std::string_view NameOf(const std::string_view (&names)[N], size_t number) {
  return number < N ? names[number] : std::string_view{};
}

bool IsServer(const weft_spans& w, uint32_t row) {
  return w.kind[row] == WEFT_KIND_SERVER || w.kind[row] == WEFT_KIND_CONSUMER;
}

bool WantsParent(const weft_spans& w, uint32_t row) {
  return w.role[row] == WEFT_ROLE_DECIDE && !IsServer(w, row);
}

// The query reads; nothing else.
int Authorize(void*, int action, const char*, const char*, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE: return SQLITE_OK;
    default: return SQLITE_DENY;
  }
}

}  // namespace

WindowTable::WindowTable(const std::string& query) {
  sqlite3* db = nullptr;
  const int opened = sqlite3_open_v2(
      ":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  db_.reset(db);
  if (opened != SQLITE_OK || sqlite3_exec(db, kTable, nullptr, nullptr, nullptr) != SQLITE_OK)
    throw std::runtime_error("cannot open a database in memory");
  std::string insert = "INSERT INTO spans VALUES (?";
  for (int i = 1; i < kColumns; ++i) insert += ",?";
  insert_ = Prepare(insert + ")");
  clear_ = Prepare("DELETE FROM spans");
  sqlite3_set_authorizer(db, &Authorize, nullptr);
  query_ = Prepare(query);
  if (query_ == nullptr) throw sdk::ConfigError("query: there is no statement in it");
  if (sqlite3_column_count(query_.get()) < 3 || sqlite3_bind_parameter_count(query_.get()) > 0)
    throw sdk::ConfigError(
        "query: must select row of the call, row of the request and log-odds, and have no "
        "parameters");
  sqlite3_progress_handler(
      db, kStepsBetweenLooks,
      [](void* self) {
        const auto& table = *static_cast<WindowTable*>(self);
        return table.host_ != nullptr && table.host_->NowNs() > table.deadline_ns_ ? 1 : 0;
      },
      this);
}

WindowTable::Statement WindowTable::Prepare(const std::string& text) const {
  sqlite3_stmt* statement = nullptr;
  const char* rest = nullptr;
  if (sqlite3_prepare_v2(db_.get(), text.c_str(), static_cast<int>(text.size()), &statement,
                         &rest) != SQLITE_OK)
    throw sdk::ConfigError("query: " + failure());
  Statement owned(statement);
  if (std::string_view(rest).find_first_not_of(" \t\r\n;") != std::string_view::npos)
    throw sdk::ConfigError("query: only one statement is run");
  return owned;
}

void WindowTable::BindRow(const weft_spans& w, uint32_t row) {
  sqlite3_stmt* const s = insert_.get();
  int at = 0;
  const auto number = [&](int64_t value) { sqlite3_bind_int64(s, ++at, value); };
  const auto text = [&](std::string_view value) {
    sqlite3_bind_text(s, ++at, value.data(), static_cast<int>(value.size()), SQLITE_STATIC);
  };
  // A column that the engine does not know is NULL.
  const auto column = [&](const auto* values) {
    if (values != nullptr)
      number(static_cast<int64_t>(values[row]));
    else
      sqlite3_bind_null(s, ++at);
  };
  const auto name = [&](const uint32_t* index) {
    if (index != nullptr)
      text(sdk::View(w.strings[index[row]]));
    else
      sqlite3_bind_null(s, ++at);
  };
  number(row);
  text(NameOf(kRoles, w.role[row]));
  text(NameOf(kKinds, w.kind[row]));
  number(WantsParent(w, row));
  column(w.span_id);
  column(w.parent_id);
  number(w.start_ns[row]);
  if (w.end_ns[row] != 0)
    number(w.end_ns[row]);
  else
    sqlite3_bind_null(s, ++at);
  name(w.service);
  name(w.operation);
  name(w.peer);
  text(w.protocol != nullptr ? NameOf(kProtocols, w.protocol[row]) : std::string_view{});
  text(w.status != nullptr ? NameOf(kStatuses, w.status[row]) : std::string_view{});
  column(w.connection);
  name(w.local_address);
  column(w.local_port);
  name(w.remote_address);
  column(w.remote_port);
  column(w.fd);
  column(w.request_tid);
  column(w.response_tid);
  column(w.request_bytes);
  column(w.response_bytes);
  name(w.request_id);
}

bool WindowTable::Fill(const weft_spans& w) {
  sqlite3_set_authorizer(db_.get(), nullptr, nullptr);
  bool ok = sqlite3_exec(db_.get(), "BEGIN", nullptr, nullptr, nullptr) == SQLITE_OK;
  const auto run = [&](sqlite3_stmt* statement) {
    ok &= sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
  };
  run(clear_.get());
  for (uint32_t row = 0; ok && row < w.n; ++row) {
    BindRow(w, row);
    run(insert_.get());
  }
  sqlite3_clear_bindings(insert_.get());
  ok &= sqlite3_exec(db_.get(), ok ? "COMMIT" : "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK;
  sqlite3_set_authorizer(db_.get(), &Authorize, nullptr);
  return ok;
}

// The row at hand; false where it says nothing that could be true.
bool WindowTable::Read(const weft_spans& w, std::vector<Voice>* out) {
  sqlite3_stmt* const q = query_.get();
  if (sqlite3_column_type(q, 0) != SQLITE_INTEGER) return false;
  const int64_t call = sqlite3_column_int64(q, 0);
  if (call < 0 || call >= w.n || !WantsParent(w, static_cast<uint32_t>(call))) return false;
  uint32_t request = WEFT_NONE;
  if (sqlite3_column_type(q, 1) != SQLITE_NULL) {
    const int64_t row = sqlite3_column_int64(q, 1);
    if (row < 0 || row >= w.n || !IsServer(w, static_cast<uint32_t>(row))) return false;
    request = static_cast<uint32_t>(row);
  }
  if (sqlite3_column_type(q, 2) == SQLITE_NULL) return false;
  const auto log_odds = static_cast<float>(sqlite3_column_double(q, 2));
  if (!std::isfinite(log_odds)) return false;
  out->push_back({static_cast<uint32_t>(call), request, log_odds});
  return true;
}

WindowTable::Outcome WindowTable::Ask(const weft_spans& window, const sdk::Host& host,
                                      uint64_t deadline_ns, size_t max_voices,
                                      std::vector<Voice>* out) {
  out->clear();
  senseless_ = 0;
  deadline_ns_ = deadline_ns;
  host_ = &host;
  Outcome outcome = Outcome::kDone;
  int result = Fill(window) ? SQLITE_ROW : sqlite3_errcode(db_.get());
  while (result == SQLITE_ROW && (result = sqlite3_step(query_.get())) == SQLITE_ROW) {
    if (!Read(window, out)) ++senseless_;
    if (out->size() + senseless_ <= max_voices) continue;
    outcome = Outcome::kTooMany;
    break;
  }
  if (result == SQLITE_INTERRUPT) outcome = Outcome::kTooLong;
  if (result != SQLITE_ROW && result != SQLITE_DONE && result != SQLITE_INTERRUPT)
    outcome = Outcome::kFailed;
  host_ = nullptr;
  sqlite3_reset(query_.get());
  return outcome;
}

}  // namespace weft::plugins::sql
