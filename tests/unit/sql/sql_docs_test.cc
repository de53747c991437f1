// docs/sql.md against the views: each has a section with a question, its columns as they are, and
// examples that run.
#include <fstream>
#include <map>

#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

struct Section {
  std::string columns;
  bool question = false;
  std::vector<std::string> examples;
};

std::map<std::string, Section> Sections() {
  std::map<std::string, Section> sections;
  std::ifstream file(WEFT_SQL_DOCS);
  EXPECT_TRUE(file.good()) << WEFT_SQL_DOCS;
  std::string name, example;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) name = line.substr(3);
    Section& section = sections[name];
    if (line.starts_with("Columns: ")) section.columns = line.substr(9);
    if (line.starts_with("*") && line.ends_with("?*")) section.question = true;
    if (inside && line == "```") section.examples.push_back(example);
    if (inside && line != "```") example += line + "\n";
    if (line.starts_with("```")) {
      inside = line == "```sql";
      example.clear();
    }
  }
  sections.erase("");
  return sections;
}

TEST(SqlDocs, EveryViewHasAQuestionItsColumnsAndExamplesThatRun) {
  const test::ShopStore shop;
  auto sections = Sections();
  auto views = shop.db.Prepare(
      "SELECT m.name, '`' || group_concat(c.name, '`, `') || '`' FROM sqlite_master m,"
      " pragma_table_info(m.name) c WHERE m.type = 'view' GROUP BY m.name");
  ASSERT_TRUE(views) << views.error().message;
  for (auto row = views->Step(); row && *row; row = views->Step()) {
    const std::string name(views->Text(0));
    const Section& section = sections[name];
    EXPECT_TRUE(section.question) << name;
    EXPECT_FALSE(section.examples.empty()) << name;
    EXPECT_EQ(section.columns, views->Text(1)) << name;
    for (const std::string& example : section.examples) {
      auto statement = shop.db.Prepare(example);
      ASSERT_TRUE(statement) << name << ": " << statement.error().message;
      for (auto step = statement->Step(); !step || *step; step = statement->Step())
        ASSERT_TRUE(step) << name << ": " << step.error().message;
    }
    sections.erase(name);
  }
  for (const auto& [name, section] : sections) ADD_FAILURE() << "there is no view " << name;
}

}  // namespace
}  // namespace weft::sql
