#include "sql/attribute_filter.h"

#include <fmt/format.h>

namespace weft::sql {
namespace {

// Whether the attributes have the parameter `path` with the value of the parameter after it.
// SQLite takes true for 1, so the word asks for the type.
std::string HasValue(std::string_view json, int path, const std::string& value) {
  const std::string same =
      fmt::format("CAST(json_extract({}, ?{}) AS TEXT) = ?{}", json, path, path + 1);
  if (value != "true" && value != "false") return same;
  return fmt::format("({} OR json_type({}, ?{}) = ?{})", same, json, path, path + 1);
}

// The attribute sets with the pair, once per search, so that rows compare numbers.
Result<void> FindSets(const Database& db, const std::string& table, const std::string& path,
                      const std::string& value) {
  WEFT_TRY(db.Execute(fmt::format("DROP TABLE IF EXISTS {}", table)));
  Result<Statement> make =
      db.Prepare(fmt::format("CREATE TEMP TABLE {} AS SELECT id FROM attribute_sets WHERE {}",
                             table.substr(5), HasValue("json", 1, value)));
  if (!make) return std::unexpected(make.error());
  make->Bind(1, std::string_view(path));
  make->Bind(2, std::string_view(value));
  WEFT_TRY(make->Run());
  return db.Execute(fmt::format("CREATE INDEX {0}_id ON {1}(id)", table, table.substr(5)));
}

}  // namespace

std::string AttributeFilter::SetsOf(size_t pair) { return "temp." + fmt::format("sets_{}", pair); }

Result<AttributeFilter> AttributeFilter::Make(const Database& db, const Pairs& pairs,
                                              int first_parameter) {
  AttributeFilter out;
  out.first_parameter_ = first_parameter;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto& [key, value] = pairs[i];
    const std::string path = "$.\"" + key + "\"";
    WEFT_TRY(FindSets(db, SetsOf(i), path, value));
    out.conditions_ +=
        fmt::format(" AND (s.attribute_set IN (SELECT id FROM {}) OR {})", SetsOf(i),
                    HasValue("s.attributes", first_parameter + 2 * static_cast<int>(i), value));
    out.texts_.push_back(path);
    out.texts_.push_back(value);
  }
  return out;
}

void AttributeFilter::Bind(Statement& rows) const {
  for (size_t i = 0; i < texts_.size(); ++i)
    rows.Bind(first_parameter_ + static_cast<int>(i), std::string_view(texts_[i]));
}

}  // namespace weft::sql
