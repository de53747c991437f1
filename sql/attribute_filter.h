// AttributeFilter: "has these attributes" as a condition of SQL on span_rows.
//
// Used by TraceSearch. Make it before all other statements of the connection: it makes temporary
// tables, which are not dropped while one is running. Lent: the database and the pairs.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sql {

class AttributeFilter {
 public:
  using Pairs = std::vector<std::pair<std::string, std::string>>;  // key and value, as text

  // first_parameter: the number of the first of its parameters, some for each pair.
  static Result<AttributeFilter> Make(const Database& db, const Pairs& pairs, int first_parameter);
  // " AND ..." for spans named `s`; "" where there are no pairs.
  const std::string& conditions() const { return conditions_; }
  // Lends its texts to the statement.
  void Bind(Statement& rows) const;
  // Table with the ids of the attribute sets that have a pair.
  static std::string SetsOf(size_t pair);

 private:
  int first_parameter_ = 0;
  std::string conditions_;
  std::vector<std::string> texts_;
};

}  // namespace weft::sql
