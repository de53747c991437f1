#include "engine/cli/result_writer.h"

#include <cstdlib>

#include "tests/support/shop_store.h"

namespace weft::cli {
namespace {

std::string Write(const std::string& format, const std::string& query) {
  const test::ShopStore store;
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const out = open_memstream(&text, &size);
  auto writer = MakeResultWriter(format, out);
  EXPECT_TRUE(writer);
  auto statement = store.db.Prepare(query);
  EXPECT_TRUE(statement) << statement.error().message;
  (*writer)->Begin(*statement);
  while (*statement->Step()) (*writer)->Row(*statement);
  (*writer)->End();
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

constexpr const char* kQuery =
    "SELECT 1 AS n, 'a,\"b|' AS text, NULL AS none, x'0aff' AS bytes, 0.5 AS half";

TEST(ResultWriter, CsvQuotesWhatNeedsIt) {
  EXPECT_EQ(Write("csv", kQuery), "n,text,none,bytes,half\n1,\"a,\"\"b|\",,0aff,0.5\n");
}

TEST(ResultWriter, JsonKeepsTypes) {
  EXPECT_EQ(Write("json", kQuery),
            "[\n  {\"n\": 1, \"text\": \"a,\\\"b|\", \"none\": null, \"bytes\": \"0aff\", "
            "\"half\": 0.5}\n]\n");
  EXPECT_EQ(Write("json", "SELECT 1 WHERE 0"), "[]\n");
}

TEST(ResultWriter, MarkdownEscapesBars) {
  EXPECT_EQ(Write("markdown", kQuery),
            "| n | text | none | bytes | half |\n| --- | --- | --- | --- | --- |\n"
            "| 1 | a,\"b\\| |  | 0aff | 0.5 |\n");
}

TEST(ResultWriter, TablesGoOnAfterTheMeasuredRows) {
  const std::string text =
      Write("table",
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1002) SELECT i FROM n");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1003);
  EXPECT_TRUE(text.ends_with("\n1002\n"));
}

TEST(ResultWriter, UnknownFormatsAreRefused) {
  EXPECT_EQ(MakeResultWriter("xml", stdout).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace weft::cli
