// Runs tests/sql/*.test: queries over the small shop with the rows or the plan that they must give.
//
//   # a comment            kept as it is
//   query                  or `plan`: the details of EXPLAIN QUERY PLAN
//   select ...             up to the line ----
//   ----
//   a|b                    the rows, up to an empty line
//
// WEFT_REWRITE=1 writes what came out into the files instead of comparing.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

namespace fs = std::filesystem;

std::string Answer(const Database& db, const std::string& kind, const std::string& query) {
  auto statement = db.Prepare((kind == "plan" ? "EXPLAIN QUERY PLAN " : "") + query);
  if (!statement) return "error: " + statement.error().message + "\n";
  std::string out;
  const int columns = sqlite3_column_count(statement->get());
  for (;;) {
    const auto row = statement->Step();
    if (!row) return "error: " + row.error().message + "\n";
    if (!*row) return out;
    std::string line;
    if (kind == "plan")
      line = statement->Text(3);
    else
      for (int i = 0; i < columns; ++i) line.append(i == 0 ? "" : "|").append(statement->Text(i));
    out += line + "\n";
  }
}

class TextTest : public ::testing::TestWithParam<fs::path> {};

TEST_P(TextTest, GivesWhatTheFileSays) {
  const bool rewrite = std::getenv("WEFT_REWRITE") != nullptr;
  const test::ShopStore store;
  std::ifstream file(GetParam());
  std::string rewritten;
  for (std::string line; std::getline(file, line);) {
    rewritten += line + "\n";
    if (line != "query" && line != "plan") continue;
    const std::string kind = line;
    std::string query, expected;
    while (std::getline(file, line) && line != "----") query += line + "\n";
    while (std::getline(file, line) && !line.empty()) expected += line + "\n";
    const std::string actual = Answer(store.db, kind, query);
    rewritten += query + "----\n" + actual + (file ? "\n" : "");
    if (rewrite) continue;
    EXPECT_EQ(actual, expected) << kind << ": " << query;
  }
  if (rewrite) std::ofstream(GetParam()) << rewritten;
}

std::vector<fs::path> Files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(WEFT_SQL_TESTS))
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

INSTANTIATE_TEST_SUITE_P(Sql, TextTest, ::testing::ValuesIn(Files()),
                         [](const auto& param) { return param.param.stem().string(); });

}  // namespace
}  // namespace weft::sql
