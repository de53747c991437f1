#include "sql/snapshot.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sql/schema.h"
#include "tests/support/temp_folder.h"

namespace weft::sql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto db = Database::OpenForWriting(from_);
    ASSERT_TRUE(db);
    db_ = std::move(*db);
    ASSERT_TRUE(ApplySchema(db_));
    ASSERT_TRUE(db_.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF"));
  }
  // Both tables get a row in one transaction.
  void Add(int n) {
    ASSERT_TRUE(db_.Execute("BEGIN"));
    const std::string text(3000, 'x');
    for (int i = 0; i < n; ++i)
      ASSERT_TRUE(
          db_.Execute("INSERT INTO strings(text) VALUES('" + std::to_string(next_++) + text +
                      "'); INSERT INTO runs(version, started_ns, updated_ns) VALUES('', 0, 0)"));
    ASSERT_TRUE(db_.Execute("COMMIT"));
  }
  static int64_t Count(const std::string& path, const std::string& table) {
    auto db = Database::OpenForReading(path);
    return db ? db->QueryInt("SELECT count(*) FROM " + table).value_or(-1) : -2;
  }
  // All that a copy has left in the folder.
  std::vector<std::string> Copies() {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path()))
      if (const auto name = file.path().filename().string(); name.starts_with("copy.db"))
        names.push_back(name);
    return names;
  }

  test::TempFolder folder_;
  std::string from_ = folder_.File("weft.db"), to_ = folder_.File("copy.db");
  Database db_;
  int next_ = 0;
};

TEST_F(SnapshotTest, IsTheStateOfOneMomentWhileTheStoreGrows) {
  Add(4000);
  const int before = next_;
  int looks = 0;
  const auto copied = CopyStore(from_, to_, [&](uint64_t done, uint64_t all) {
    EXPECT_LE(done, all);
    ++looks;
    Add(100);  // the writer does not wait, and does not make the copy begin anew
    return true;
  });
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_GT(looks, 1);
  EXPECT_LT(looks, 20);
  EXPECT_GT(next_, before);
  EXPECT_EQ(Count(to_, "strings"), before);
  EXPECT_EQ(Count(to_, "runs"), before);
  EXPECT_EQ(Count(from_, "strings"), next_);
  EXPECT_EQ(std::filesystem::file_size(to_), *copied);
}

TEST_F(SnapshotTest, IsOnePrivateFileWithoutALog) {
  Add(10);
  ASSERT_TRUE(CopyStore(from_, to_, [](uint64_t, uint64_t) { return true; }));
  struct stat status {};
  ASSERT_EQ(stat(to_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  auto db = Database::OpenForReading(to_);
  ASSERT_TRUE(db);
  auto mode = db->Prepare("PRAGMA journal_mode");
  ASSERT_TRUE(mode && mode->Step());
  EXPECT_EQ(mode->Text(0), "delete");
  EXPECT_THAT(Copies(), ElementsAre("copy.db"));
}

TEST_F(SnapshotTest, LeavesNothingWhenItIsGivenUp) {
  Add(4000);
  const auto copied = CopyStore(from_, to_, [](uint64_t, uint64_t) { return false; });
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::kCancelled);
  EXPECT_THAT(Copies(), ElementsAre());
}

TEST_F(SnapshotTest, OverwritesNothing) {
  std::ofstream(to_) << "mine";
  const auto copied = CopyStore(from_, to_, [](uint64_t, uint64_t) { return true; });
  ASSERT_FALSE(copied);
  EXPECT_THAT(copied.error().message, HasSubstr("is there already"));
  EXPECT_EQ(std::filesystem::file_size(to_), 4u);
}

TEST_F(SnapshotTest, NamesTheFileThatItCannotWrite) {
  Add(10);
  const auto copied =
      CopyStore(from_, "/dev/null/folder/x", [](uint64_t, uint64_t) { return true; });
  ASSERT_FALSE(copied);
  EXPECT_THAT(copied.error().message, HasSubstr("/dev/null/folder/x"));
}

}  // namespace
}  // namespace weft::sql
