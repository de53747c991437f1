#include "sql/union_cursor.h"

#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace weft::sql {
namespace {

// SQLite's order of types: NULL, numbers, text, blobs.
int TypeRank(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: return 0;
    case SQLITE_INTEGER:
    case SQLITE_FLOAT: return 1;
    case SQLITE_TEXT: return 2;
    default: return 3;
  }
}

template <typename T>
int Sign(T a, T b) {
  return a < b ? -1 : b < a ? 1 : 0;
}

int Compare(sqlite3_value* a, sqlite3_value* b) {
  const int rank = TypeRank(a);
  if (const int by_type = Sign(rank, TypeRank(b)); by_type != 0 || rank == 0) return by_type;
  if (rank == 1) {
    if (sqlite3_value_type(a) == SQLITE_INTEGER && sqlite3_value_type(b) == SQLITE_INTEGER)
      return Sign(sqlite3_value_int64(a), sqlite3_value_int64(b));
    return Sign(sqlite3_value_double(a), sqlite3_value_double(b));
  }
  const void* const x = sqlite3_value_blob(a);
  const void* const y = sqlite3_value_blob(b);
  const int n = sqlite3_value_bytes(a), m = sqlite3_value_bytes(b);
  const auto shorter = static_cast<size_t>(n < m ? n : m);
  const int by_bytes = shorter == 0 ? 0 : std::memcmp(x, y, shorter);
  return by_bytes != 0 ? by_bytes : Sign(n, m);
}

}  // namespace

std::string UnionPlan::Encode() const {
  std::string out;
  for (const Order& term : order)
    out += fmt::format("{}{},", term.column, term.descending ? 'd' : 'a');
  return out + "|" + sql;
}

UnionPlan UnionPlan::Decode(std::string_view text) {
  UnionPlan plan;
  const char* at = text.data();
  while (*at != '|') {
    Order term;
    at = std::from_chars(at, text.data() + text.size(), term.column).ptr;
    term.descending = *at == 'd';
    plan.order.push_back(term);
    at += 2;
  }
  plan.sql.assign(at + 1, text.data() + text.size());
  return plan;
}

Result<void> UnionCursor::Start(std::string_view plan, int values, sqlite3_value** value) {
  if (plan != encoded_) {
    arms_.clear();
    encoded_ = plan;
    plan_ = UnionPlan::Decode(plan);
    for (const Database& store : stores_) {
      Result<Statement> arm = store.Prepare(plan_.sql);
      if (!arm) return std::unexpected(arm.error());
      arms_.push_back(std::move(*arm));
    }
  }
  for (Statement& arm : arms_) {
    arm.Reset();
    for (int i = 0; i < values; ++i) sqlite3_bind_value(arm.get(), i + 1, value[i]);
  }
  has_row_.assign(arms_.size(), false);
  row_ = 0;
  current_ = 0;
  if (plan_.order.empty()) {
    WEFT_TRY(Advance(0));
    return NextArm();
  }
  for (size_t arm = 0; arm < arms_.size(); ++arm) WEFT_TRY(Advance(arm));
  PickFirst();
  return {};
}

Result<void> UnionCursor::Next() {
  ++row_;
  WEFT_TRY(Advance(current_));
  if (plan_.order.empty()) return NextArm();
  PickFirst();
  return {};
}

Result<void> UnionCursor::Advance(size_t arm) {
  const Result<bool> row = arms_[arm].Step();
  if (!row) return std::unexpected(row.error());
  has_row_[arm] = *row;
  return {};
}

Result<void> UnionCursor::NextArm() {
  while (!has_row_[current_] && ++current_ < arms_.size()) WEFT_TRY(Advance(current_));
  return {};
}

void UnionCursor::PickFirst() {
  current_ = arms_.size();
  for (size_t arm = 0; arm < arms_.size(); ++arm)
    if (has_row_[arm] && (AtEnd() || Before(arm, current_))) current_ = arm;
}

bool UnionCursor::Before(size_t a, size_t b) const {
  for (const UnionPlan::Order& term : plan_.order) {
    const int order = Compare(sqlite3_column_value(arms_[a].get(), term.column),
                              sqlite3_column_value(arms_[b].get(), term.column));
    if (order != 0) return (order < 0) != term.descending;
  }
  return false;
}

}  // namespace weft::sql
