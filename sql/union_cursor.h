// UnionCursor: the rows of one query over every store, one store after the other or merged by
// order.
//
// Used by the virtual tables of union_tables.cc, from their callbacks. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "sql/store_set.h"

namespace weft::sql {

// What the planner settled on, as one text that SQLite keeps: "3d,5a|SELECT ...".
struct UnionPlan {
  struct Order {
    int column = 0;
    bool descending = false;
  };
  std::vector<Order> order;  // empty: any
  std::string sql;           // one parameter per condition

  std::string Encode() const;
  static UnionPlan Decode(std::string_view text);
};

class UnionCursor {
 public:
  explicit UnionCursor(const StoreSet& stores) : stores_(stores) {}

  // The values are copied. The first row is read.
  Result<void> Start(std::string_view plan, int values, sqlite3_value** value);
  Result<void> Next();
  bool AtEnd() const { return current_ >= arms_.size(); }
  int64_t row() const { return row_; }
  sqlite3_value* Value(int column) const {
    return sqlite3_column_value(arms_[current_].get(), column);
  }
  const std::string& store() const { return stores_[current_].path(); }

 private:
  Result<void> Advance(size_t arm);
  Result<void> NextArm();
  void PickFirst();
  bool Before(size_t a, size_t b) const;

  const StoreSet& stores_;
  std::string encoded_;
  UnionPlan plan_;
  std::vector<Statement> arms_;  // one per store
  std::vector<bool> has_row_;
  size_t current_ = 0;
  int64_t row_ = 0;
};

}  // namespace weft::sql
