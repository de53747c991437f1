// ResultWriter: rows of a query as table, CSV, JSON or Markdown, for `weft sql`.
//
// Begin, Row*, End; text goes to the FILE. A table's columns are measured over its first thousand
// rows, the others are written at once. One thread; the statement is lent for the call.
#pragma once

#include <cstdio>
#include <memory>
#include <string_view>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::cli {

class ResultWriter {
 public:
  virtual ~ResultWriter() = default;
  virtual void Begin(const sql::Statement& statement) = 0;
  virtual void Row(const sql::Statement& statement) = 0;
  virtual void End() = 0;
};

// "table", "csv", "json" or "markdown"; kInvalid otherwise.
Result<std::unique_ptr<ResultWriter>> MakeResultWriter(std::string_view format, std::FILE* out);

}  // namespace weft::cli
