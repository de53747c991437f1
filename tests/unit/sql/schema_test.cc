#include "sql/schema.h"

#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "sql/embedded_sql.h"
#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

TEST(Schema, MigrationsAreNumberedWithoutHoles) {
  int number = 0;
  for (const SqlFile& file : MigrationFiles())
    EXPECT_EQ(std::stoi(std::string(file.name)), ++number);
  EXPECT_GE(number, 1);
}

TEST(Schema, ApplyingItTwiceChangesNothing) {
  test::TempFolder folder;
  auto db = Database::OpenForWriting(folder.File("weft.db"));
  ASSERT_TRUE(db && ApplySchema(*db));
  const auto before = db->QueryInt("PRAGMA schema_version");
  ASSERT_TRUE(ApplySchema(*db));
  EXPECT_EQ(*db->QueryInt("PRAGMA schema_version"), *before);
  EXPECT_EQ(*db->QueryInt("PRAGMA user_version"), SchemaVersion());
}

TEST(Schema, ViewsAreRenewedWhenTheirTextChanged) {
  test::TempFolder folder;
  auto db = Database::OpenForWriting(folder.File("weft.db"));
  ASSERT_TRUE(db && ApplySchema(*db));
  ASSERT_TRUE(
      db->Execute("UPDATE settings SET value = 1; DROP VIEW red; "
                  "CREATE VIEW stale AS SELECT 1"));
  ASSERT_TRUE(ApplySchema(*db));
  EXPECT_EQ(*db->QueryInt("SELECT count(*) FROM sqlite_master WHERE name = 'red'"), 1);
  EXPECT_EQ(*db->QueryInt("SELECT count(*) FROM sqlite_master WHERE name = 'stale'"), 0);
}

TEST(Schema, ReadersAreToldWhatIsWrong) {
  test::TempFolder folder;
  const std::string path = folder.File("weft.db");
  EXPECT_EQ(Database::OpenForReading(path).error().code, Code::kNotFound);
  auto db = Database::OpenForWriting(path);
  ASSERT_TRUE(db);
  EXPECT_EQ(Database::OpenForReading(path).error().code, Code::kNotFound);  // empty
  ASSERT_TRUE(ApplySchema(*db));
  ASSERT_TRUE(db->Execute("PRAGMA user_version = 0"));
  const auto older = Database::OpenForReading(path);
  ASSERT_FALSE(older);
  EXPECT_NE(older.error().message.find("older weft"), std::string::npos);
}

TEST(Schema, AStoreInAFolderThatCannotBeWrittenIsReadable) {
  const test::ShopStore store;
  test::TempFolder folder;
  {
    auto writer = Database::OpenForWriting(store.path());
    ASSERT_TRUE(writer && writer->Execute("PRAGMA wal_checkpoint(TRUNCATE)"));
  }
  const std::string copy = folder.File("copy ?#%.db");
  std::filesystem::copy_file(store.path(), copy);
  ASSERT_EQ(::chmod(folder.path().c_str(), 0500), 0);  // no obstacle for root, who reads anyway
  auto db = Database::OpenForReading(copy);
  ASSERT_TRUE(db) << db.error().message;
  EXPECT_EQ(*db->QueryInt("SELECT count(*) FROM traces"), 2);
  ::chmod(folder.path().c_str(), 0700);
}

TEST(Schema, ReadersCannotWrite) {
  const test::ShopStore store;
  EXPECT_FALSE(store.db.Execute("DELETE FROM span_rows"));
}

}  // namespace
}  // namespace weft::sql
