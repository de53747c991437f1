#include "sql/salvage.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/database.h"
#include "sql/schema.h"
#include "tests/support/temp_folder.h"

namespace weft::sql {
namespace {

using ::testing::HasSubstr;

constexpr size_t kPage = 4096;

class SalvageTest : public ::testing::Test {
 protected:
  // A table of 20,000 rows, each of which knows its id.
  void SetUp() override {
    auto db = Database::OpenForWriting(from_);
    ASSERT_TRUE(db);
    ASSERT_TRUE(ApplySchema(*db));
    ASSERT_TRUE(db->Execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        "INSERT INTO strings(id, text) SELECT i, printf('row %d %s', i, hex(randomblob(50))) FROM "
        "n"));
  }
  // Pages that hold rows of that table and nothing else, overwritten.
  void Damage(int pages) {
    std::vector<std::streamoff> at;
    {
      std::ifstream file(from_, std::ios::binary);
      std::string page(kPage, '\0');
      for (std::streamoff n = 0; file.read(page.data(), kPage); ++n)
        // 13: leaf of a table; rows begin with the text, those of the index have no such page type.
        if (n > 0 && page[0] == 13 && page.find("row 1") != page.npos) at.push_back(n * kPage);
    }
    ASSERT_GT(at.size(), static_cast<size_t>(pages) + 4);
    std::fstream file(from_, std::ios::binary | std::ios::in | std::ios::out);
    for (int i = 0; i < pages; ++i) {
      file.seekp(at[at.size() * static_cast<size_t>(i + 1) / static_cast<size_t>(pages + 1)]);
      file << std::string(kPage, '\xa5');
    }
  }
  // The pages that hold the rows of these ids.
  void DamageRows(int first, int last) {
    std::fstream file(from_, std::ios::binary | std::ios::in | std::ios::out);
    std::string page(kPage, '\0');
    std::vector<std::streamoff> at;
    for (std::streamoff n = 0; file.read(page.data(), kPage); ++n) {
      const size_t row = page.find("row ");
      if (n == 0 || page[0] != 13 || row == page.npos) continue;
      const int id = std::atoi(page.c_str() + row + 4);
      if (id >= first && id <= last) at.push_back(n * kPage);
    }
    ASSERT_GT(at.size(), 10u);
    file.clear();
    for (const std::streamoff offset : at) {
      file.seekp(offset);
      file << std::string(kPage, '\xa5');
    }
  }
  const SalvagedTable& Strings(const Salvaged& saved) {
    return *std::ranges::find(saved.tables, "strings", &SalvagedTable::name);
  }
  uint64_t Lost(const SalvagedTable& table) {
    uint64_t lost = 0;
    for (const auto& [first, last] : table.lost)
      lost += static_cast<uint64_t>(std::min<int64_t>(last, 20'000) - first + 1);
    return lost;
  }

  test::TempFolder folder_;
  std::string from_ = folder_.File("weft.db"), to_ = folder_.File("rescued.db");
};

TEST_F(SalvageTest, ReadsAWholeStoreWhole) {
  const auto saved = SalvageStore(from_, to_);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_TRUE(saved->whole());
  EXPECT_EQ(Strings(*saved).rows, 20'000u);
}

TEST_F(SalvageTest, PassesOverDamagedPagesAndTellsWhichRowsTheyHad) {
  Damage(3);
  const auto saved = SalvageStore(from_, to_);
  ASSERT_TRUE(saved) << saved.error().message;
  EXPECT_FALSE(saved->whole());
  const SalvagedTable& strings = Strings(*saved);
  EXPECT_EQ(strings.lost.size(), 3u);
  EXPECT_EQ(strings.rows + Lost(strings), 20'000u) << "each row is read, or said to be lost";
  EXPECT_LT(Lost(strings), 200u) << "a page has some thirty";
  auto db = Database::OpenForReading(to_);
  ASSERT_TRUE(db);
  EXPECT_EQ(
      db->QueryInt("SELECT count(*) FROM strings WHERE text NOT LIKE 'row ' || id || ' %'").value(),
      0);
  EXPECT_EQ(
      db->QueryInt("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'")
          .value(),
      0);
}

TEST_F(SalvageTest, ReadsTheEndOfATableBehindAStretchThatTheStepsJumpOver) {
  DamageRows(12'000, 17'000);  // steps double: 16,000 cannot be read, 20,000 is past the end
  const auto saved = SalvageStore(from_, to_);
  ASSERT_TRUE(saved) << saved.error().message;
  const SalvagedTable& strings = Strings(*saved);
  ASSERT_EQ(strings.lost.size(), 1u);
  EXPECT_NEAR(static_cast<double>(strings.lost[0].first), 12'000, 100);
  EXPECT_NEAR(static_cast<double>(strings.lost[0].second), 17'000, 100);
  EXPECT_EQ(strings.rows + Lost(strings), 20'000u);
}

TEST_F(SalvageTest, OverwritesNothingAndSaysWhatIsNoStore) {
  std::ofstream(to_) << "mine";
  EXPECT_THAT(SalvageStore(from_, to_).error().message, HasSubstr("is there already"));
  const std::string text = folder_.File("text");
  std::ofstream(text) << std::string(10'000, 'x');
  const auto saved = SalvageStore(text, folder_.File("other.db"));
  ASSERT_FALSE(saved);
  EXPECT_THAT(saved.error().message, HasSubstr("not a database"));
  EXPECT_FALSE(std::filesystem::exists(folder_.File("other.db")));
}

}  // namespace
}  // namespace weft::sql
