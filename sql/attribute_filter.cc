#include "sql/attribute_filter.h"

#include <cstdlib>
#include <span>

#include <fmt/format.h>

#include "engine/base/json_text.h"

namespace weft::sql {
namespace {

constexpr int kTexts = 4;  // parameters of a pair: path, value, and as weft has written the two

// Whether the pair stands in JSON as it would be written for that value. Not where there are more
// ways to write it: true and false, which SQLite takes for 1 and 0, and fractions.
bool IsWrittenOneWay(const std::string& value) {
  if (value == "0" || value == "1") return false;
  char* end = nullptr;
  (void)std::strtod(value.c_str(), &end);
  return value.empty() || *end != '\0' || value.find_first_of(".eEnN") == value.npos;
}

// Whether the attributes have the pair; its parameters begin with `first`. Finding its text takes a
// tenth of the time of reading JSON. SQLite takes true for 1, so the word asks for the type.
std::string HasValue(std::string_view json, int first, const std::string& value) {
  std::string same =
      fmt::format("CAST(json_extract({}, ?{}) AS TEXT) = ?{}", json, first, first + 1);
  if (value == "true" || value == "false")
    same = fmt::format("({} OR json_type({}, ?{}) = ?{})", same, json, first, first + 1);
  if (!IsWrittenOneWay(value)) return same;
  return fmt::format("((instr({0}, ?{1}) OR instr({0}, ?{2})) AND {3})", json, first + 2, first + 3,
                     same);
}

// The attribute sets with the pair, once per search, so that rows compare numbers.
Result<void> FindSets(const Database& db, const std::string& table,
                      std::span<const std::string> texts, const std::string& value) {
  WEFT_TRY(db.Execute(fmt::format("DROP TABLE IF EXISTS {}", table)));
  Result<Statement> make =
      db.Prepare(fmt::format("CREATE TEMP TABLE {} AS SELECT id FROM attribute_sets WHERE {}",
                             table.substr(5), HasValue("json", 1, value)));
  if (!make) return std::unexpected(make.error());
  for (int i = 0; i < kTexts; ++i)
    make->Bind(i + 1, std::string_view(texts[static_cast<size_t>(i)]));
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
    std::string name, text;
    AppendJsonString(name, key);
    AppendJsonString(text, value);
    out.texts_.push_back("$.\"" + key + "\"");
    out.texts_.push_back(value);
    out.texts_.push_back(name + ":" + text);
    out.texts_.push_back(name + ":" + value);
    WEFT_TRY(FindSets(db, SetsOf(i), std::span(out.texts_).last(kTexts), value));
    out.conditions_ += fmt::format(
        " AND (s.attribute_set IN (SELECT id FROM {}) OR {})", SetsOf(i),
        HasValue("s.attributes", first_parameter + kTexts * static_cast<int>(i), value));
  }
  return out;
}

void AttributeFilter::Bind(Statement& rows) const {
  for (size_t i = 0; i < texts_.size(); ++i)
    rows.Bind(first_parameter_ + static_cast<int>(i), std::string_view(texts_[i]));
}

}  // namespace weft::sql
