#include "sql/serve/bounded_functions.h"

#include <memory>
#include <new>
#include <string>

#include <fmt/format.h>
#include <sqlite3.h>

namespace weft::serve {
namespace {

// glob() with classes takes 10 ns for a pair of bytes, trim() 4, instr() far less.
constexpr int64_t kMostPairs = int64_t{1} << 26;

struct Named {
  const char* name;
  int arguments;
};
constexpr Named kFunctions[] = {{"instr", 2}, {"replace", 3}, {"trim", 2},
                                {"ltrim", 2}, {"rtrim", 2},   {"json_patch", 2},
                                {"like", 2},  {"like", 3},    {"glob", 2}};

// SQLite's function, asked on a connection of its own where it has not been replaced.
class Original {
 public:
  static std::unique_ptr<Original> Open(const Named& function, Expired expired, const void* lent) {
    auto out = std::make_unique<Original>();
    out->expired_ = expired;
    out->lent_ = lent;
    if (sqlite3_open_v2(":memory:", &out->db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                        nullptr) != SQLITE_OK)
      return nullptr;
    const std::string text =
        fmt::format("SELECT {}(?1,?2{})", function.name, function.arguments == 3 ? ",?3" : "");
    if (sqlite3_prepare_v2(out->db_, text.c_str(), -1, &out->call_, nullptr) != SQLITE_OK)
      return nullptr;
    out->name_ = function.name;
    return out;
  }
  Original() = default;
  Original(const Original&) = delete;
  Original& operator=(const Original&) = delete;
  ~Original() {
    sqlite3_finalize(call_);
    sqlite3_close(db_);
  }

  void Call(sqlite3_context* context, int count, sqlite3_value** values) {
    if (expired_(lent_)) return sqlite3_result_error_code(context, SQLITE_INTERRUPT);
    const int64_t pairs =
        int64_t{sqlite3_value_bytes(values[0])} * int64_t{sqlite3_value_bytes(values[1])};
    if (pairs > kMostPairs) {
      const std::string words =
          fmt::format("{}() of {} by {} bytes takes too long here", name_,
                      sqlite3_value_bytes(values[0]), sqlite3_value_bytes(values[1]));
      return sqlite3_result_error(context, words.c_str(), -1);
    }
    sqlite3_limit(db_, SQLITE_LIMIT_LENGTH,
                  sqlite3_limit(sqlite3_context_db_handle(context), SQLITE_LIMIT_LENGTH, -1));
    for (int i = 0; i < count; ++i) sqlite3_bind_value(call_, i + 1, values[i]);
    const int rc = sqlite3_step(call_);
    if (rc == SQLITE_ROW)
      sqlite3_result_value(context, sqlite3_column_value(call_, 0));
    else if (rc == SQLITE_TOOBIG)
      sqlite3_result_error_toobig(context);
    else
      sqlite3_result_error(context, sqlite3_errmsg(db_), -1);
    sqlite3_reset(call_);
    sqlite3_clear_bindings(call_);
  }

 private:
  Expired expired_ = nullptr;
  const void* lent_ = nullptr;
  sqlite3* db_ = nullptr;
  sqlite3_stmt* call_ = nullptr;
  const char* name_ = "";
};

void CallOriginal(sqlite3_context* context, int count, sqlite3_value** values) noexcept try {
  static_cast<Original*>(sqlite3_user_data(context))->Call(context, count, values);
} catch (const std::bad_alloc&) {
  sqlite3_result_error_nomem(context);
}

}  // namespace

int BoundFunctions(sqlite3* db, Expired expired, const void* lent) {
  for (const Named& function : kFunctions) {
    std::unique_ptr<Original> original = Original::Open(function, expired, lent);
    if (!original) return SQLITE_NOMEM;
    // SQLite owns it, also where this fails.
    const int rc = sqlite3_create_function_v2(
        db, function.name, function.arguments,
        SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, original.release(), CallOriginal,
        nullptr, nullptr, [](void* old) { delete static_cast<Original*>(old); });
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

}  // namespace weft::serve
