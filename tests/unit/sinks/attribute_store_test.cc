#include "sinks/sqlite/attribute_store.h"

#include "tests/unit/sinks/store_fixture.h"

namespace weft::sinks {
namespace {

using AttributeStoreTest = StoreTest;

TEST_F(AttributeStoreTest, AttributesOfEveryTypeAreReadWithJsonFunctions) {
  Open();
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  batch.table.Attribute("http.route", std::string_view("/cart/{id}"));
  batch.table.Attribute("http.response.status_code", int64_t{404});
  batch.table.Attribute("ratio", 0.5);
  batch.table.Attribute("cached", true);
  batch.table.Attribute("quoted", std::string_view("a\"b\\c\n\xff"));
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  const std::string from = " FROM spans WHERE span_id = '000000000000000b'";
  EXPECT_EQ(Query("SELECT attributes ->> '$.\"http.route\"'" + from), "/cart/{id}");
  EXPECT_EQ(Query("SELECT attributes ->> '$.\"http.response.status_code\"'" + from), "404");
  EXPECT_EQ(Query("SELECT attributes ->> 'ratio'" + from), "0.5");
  EXPECT_EQ(Query("SELECT attributes ->> 'cached'" + from), "1");
  EXPECT_EQ(Query("SELECT attributes ->> 'quoted'" + from), "a\"b\\c\n\xef\xbf\xbd");
  EXPECT_EQ(Query("SELECT count(*) FROM attributes"), "5");
}

TEST_F(AttributeStoreTest, EqualSetsAreStoredOnceWhateverTheirOrder) {
  Open();
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  for (uint64_t i = 0; i < 10; ++i) {
    batch.AddSpan(10 + i, 0, WEFT_KIND_SERVER, "cart", "GET", kNoon, kNoon + 1);
    const bool first = i % 2 == 0;
    batch.table.Attribute(first ? "a" : "b", std::string_view(first ? "1" : "2"));
    batch.table.Attribute(first ? "b" : "a", std::string_view(first ? "2" : "1"));
  }
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT group_concat(json) FROM attribute_sets"), R"({"a":"1","b":"2"})");
  EXPECT_EQ(Query("SELECT count(*) FROM span_rows WHERE attributes IS NOT NULL"), "0");
}

TEST_F(AttributeStoreTest, AKeyWithManyValuesMovesToTheRowsForGood) {
  Open();
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  for (uint64_t i = 0; i < 3'000; ++i) {
    batch.AddSpan(10 + i, 0, WEFT_KIND_SERVER, "cart", "GET", kNoon, kNoon + 1);
    batch.table.Attribute("method", std::string_view("GET"));
    batch.table.Attribute("path", std::string_view("/" + std::to_string(i)));
  }
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT group_concat(key) FROM attribute_keys"), "path");
  EXPECT_EQ(Query("SELECT count(*) FROM attribute_sets"), "1001");
  EXPECT_EQ(Query("SELECT (attributes ->> 'path') || (attributes ->> 'method') FROM spans "
                  "ORDER BY row DESC"),
            "/2999GET");
  Open();
  test::TraceBatch again;
  again.BeginTrace(1, 2);
  again.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET", kNoon, kNoon + 1);
  again.table.Attribute("path", std::string_view("/new"));
  ASSERT_EQ(Write(again), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM attribute_sets"), "1001");
}

TEST_F(AttributeStoreTest, SetsThatMultiplyMakeTheRichestKeyLeave) {
  Open();
  uint64_t id = 1;
  for (int b = 0; b < 10; ++b) {
    test::TraceBatch batch;
    batch.BeginTrace(1, static_cast<uint64_t>(b));
    for (int i = 0; i < 4'000; ++i, ++id) {
      batch.AddSpan(id, 0, WEFT_KIND_SERVER, "cart", "GET", kNoon, kNoon + 1);
      batch.table.Attribute("a", static_cast<int64_t>(id % 900));
      batch.table.Attribute("b", static_cast<int64_t>(id * 7 / 900 % 500));
    }
    ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  }
  EXPECT_EQ(Query("SELECT key FROM attribute_keys"), "a");
  EXPECT_EQ(Query("SELECT count(*) FROM attributes"), "80000");
}

}  // namespace
}  // namespace weft::sinks
