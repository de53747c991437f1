#include "sql/functions.h"

#include "sql/json_member.h"
#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

std::string One(const Database& db, const std::string& sql) {
  auto statement = db.Prepare("SELECT " + sql);
  if (!statement) return statement.error().message;
  const auto row = statement->Step();
  if (!row) return row.error().message;
  return statement->IsNull(0) ? "NULL" : std::string(statement->Text(0));
}

// Registered directly, or by loading the extension.
class FunctionsTest : public testing::TestWithParam<bool> {
 protected:
  FunctionsTest() : db_(std::move(*Database::OpenInMemory())) {
    if (!GetParam()) {
      EXPECT_EQ(RegisterFunctions(db_.get()), SQLITE_OK);
      return;
    }
    sqlite3_enable_load_extension(db_.get(), 1);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_load_extension(db_.get(), WEFT_SQL_EXTENSION_FILE, nullptr, &message),
              SQLITE_OK)
        << (message ? message : "");
    sqlite3_free(message);
  }
  Database db_;
};

TEST_P(FunctionsTest, GiveIdsDurationsAndTimes) {
  EXPECT_EQ(One(db_, "trace_id_text(x'0abc000000000000000000000000000f')"),
            "0abc000000000000000000000000000f");
  EXPECT_EQ(One(db_, "span_id_text(-1)"), "ffffffffffffffff");
  EXPECT_EQ(One(db_, "span_id('ffffffffffffffff')"), "-1");
  EXPECT_NE(One(db_, "span_id('x')").find("expected 16 hex digits"), std::string::npos);
  EXPECT_EQ(One(db_, "duration('1.5ms')"), "1500000");
  EXPECT_NE(One(db_, "duration('1.5')").find("duration: "), std::string::npos);
  EXPECT_EQ(One(db_, "duration_text(1500000)"), "1.5ms");
  EXPECT_EQ(One(db_, "time_text(1700000000123000000)"), "2023-11-14 22:13:20.123");
  EXPECT_EQ(One(db_, "duration_text(NULL)"), "NULL");
}

TEST_P(FunctionsTest, AttributeTakesKeysAsTheyAre) {
  const std::string json = R"('{"a.b":"x\u00e9\n","n":-5,"r":1.5,"t":true,"l":[1,"]"],"z":null}')";
  EXPECT_EQ(One(db_, "attribute(" + json + ", 'a.b')"), "x\u00e9\n");
  EXPECT_EQ(One(db_, "attribute(" + json + ", 'n') + 1"), "-4");
  EXPECT_EQ(One(db_, "attribute(" + json + ", 'r') * 2"), "3.0");
  EXPECT_EQ(One(db_, "attribute(" + json + ", 't')"), "1");
  EXPECT_EQ(One(db_, "attribute(" + json + ", 'l')"), "[1,\"]\"]");
  EXPECT_EQ(One(db_, "attribute(" + json + ", 'z')"), "NULL");
  EXPECT_EQ(One(db_, "attribute(" + json + ", 'absent')"), "NULL");
  for (const char* broken : {"", "{", "[]", "{\"a", "{\"a\":", "{\"a\":[", "{\"b\" 1}"})
    EXPECT_EQ(One(db_, "attribute('" + std::string(broken) + "', 'a')"), "NULL") << broken;
}

TEST_P(FunctionsTest, PercentileIsTheNearestRank) {
  const std::string hundred =
      " FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
      " SELECT i FROM n)";
  EXPECT_EQ(One(db_, "percentile(i, 95)" + hundred), "95.0");
  EXPECT_EQ(One(db_, "percentile(i, 0)" + hundred), "1.0");
  EXPECT_EQ(One(db_, "percentile(i, 100)" + hundred), "100.0");
  EXPECT_EQ(One(db_, "percentile(i, 50)" + hundred + " WHERE i > 1000"), "NULL");
  EXPECT_NE(One(db_, "percentile(i, 101)" + hundred).find("0 to 100"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(From, FunctionsTest, testing::Bool(), [](const auto& param) {
  return std::string(param.param ? "TheExtension" : "Weft");
});

TEST(JsonMember, EscapesBecomeWhatTheyStandFor) {
  EXPECT_EQ(Unescape(R"(\ud83d\ude00 \ud800 \/ \q \)"), "\xf0\x9f\x98\x80 \xef\xbf\xbd / q \\");
  EXPECT_EQ(FindMember(R"({"a\"b":1})", "a\"b").raw, "1");
}

}  // namespace
}  // namespace weft::sql
