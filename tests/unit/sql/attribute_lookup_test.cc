// Searches by attribute find what reading every span finds, however the values were stored.
#include <random>
#include <set>

#include "sinks/sqlite/attribute_merger.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "sql/attribute_hash.h"
#include "sql/trace_search.h"
#include "tests/support/shop_store.h"
#include "tests/support/temp_folder.h"

namespace weft::sql {
namespace {

class AttributeSearchTest : public testing::Test {
 protected:
  AttributeSearchTest() { Reopen(); }

  void Reopen(sinks::SqliteSinkOptions options = {}) {
    sink_.reset();
    options.path = folder_.File("weft.db");
    options.topic = "test";
    sink_ = std::move(*sinks::SqliteSink::Open(options, clock_));
  }

  int64_t Count(const char* sql) {
    const auto db = Database::OpenForReading(folder_.File("weft.db"));
    return db->QueryInt(sql).value_or(-1);
  }

  // Joins a stored trace.
  void WriteSpan(uint64_t trace, const std::string& path) {
    test::TraceBatch batch;
    batch.BeginTrace(0xabc, trace);
    batch.AddSpan(++span_, 7, WEFT_KIND_SERVER, "cart", "GET /", test::kShopNoon,
                  test::kShopNoon + 500);
    batch.table.Attribute("url.path", path);
    Write(batch);
  }

  // Traces of three spans: a path with one of 5,000 ids, a flag, a number, a tenant with quotes.
  // Paths soon have too many values for sets; codes stay in them.
  void WriteBatch(int traces) {
    test::TraceBatch batch;
    for (int i = 0; i < traces; ++i) {
      // Now and then a span comes late for an earlier trace.
      const bool late = next_ > 50 && random_() % 40 == 0;
      batch.BeginTrace(0xabc, late ? next_ - random_() % 50 : ++next_);
      for (int span = 0; span < (late ? 1 : 3); ++span) {
        batch.AddSpan(++span_, 0, WEFT_KIND_SERVER, "cart", "GET /",
                      test::kShopNoon + static_cast<int64_t>(next_) * 1'000,
                      test::kShopNoon + static_cast<int64_t>(next_) * 1'000 + 500);
        batch.table.Attribute("url.path", "/item/" + std::to_string(random_() % 5'000));
        batch.table.Attribute("code", static_cast<int64_t>(random_() % 500 == 0 ? 418 : 200));
        if (random_() % 300 == 0)
          batch.table.Attribute("tenant", "a \"b\" \\ " + std::to_string(random_() % 3));
      }
    }
    Write(batch);
  }

  void Write(test::TraceBatch& batch) {
    const api::SpanView view = batch.table.View();
    Error error;
    ASSERT_EQ(
        sink_->Write(view.spans(), batch.Traces(), test::TraceBatch::Source(++batch_), &error),
        WEFT_EXPORT_OK)
        << error.message;
  }

  void Compare(const Database& db, const std::string& key, const std::string& value) {
    TraceFilter filter;
    filter.attributes = {{key, value}};
    filter.limit = 100'000;
    const auto found = SearchTraces(db, filter);
    ASSERT_TRUE(found) << found.error().message;
    std::set<std::string> ids, expected;
    for (const StoredTrace& trace : *found) ids.insert(trace.trace_id);
    auto all =
        db.Prepare("SELECT trace_id FROM attributes WHERE key = ?1 AND CAST(value AS TEXT) = ?2");
    ASSERT_TRUE(all) << all.error().message;
    all->Bind(1, std::string_view(key));
    all->Bind(2, std::string_view(value));
    for (auto row = all->Step(); row && *row; row = all->Step())
      expected.insert(std::string(all->Text(0)));
    EXPECT_EQ(ids, expected) << key << "=" << value;
  }

  void CompareAll() {
    const auto db = Database::OpenForReading(folder_.File("weft.db"));
    ASSERT_TRUE(db) << db.error().message;
    Compare(*db, "code", "418");
    Compare(*db, "code", "419");
    Compare(*db, "tenant", "a \"b\" \\ 1");
    for (int i = 0; i < 20; ++i)
      Compare(*db, "url.path", "/item/" + std::to_string(random_() % 5'000));
  }

  test::TempFolder folder_;
  ManualClock clock_{0, test::kShopNoon};
  std::unique_ptr<sinks::SqliteSink> sink_;
  std::mt19937_64 random_{3};
  uint64_t next_ = 0, span_ = 0, batch_ = 0;
};

TEST_F(AttributeSearchTest, WhatJoinsATraceAgainAndAgainIsNotedOnce) {
  WriteSpan(1, "/old");
  for (int i = 0; i < 50; ++i) WriteSpan(1, i % 2 == 0 ? "/a" : "/b");
  const char* bytes = "SELECT sum(length(entries)) FROM attribute_directory WHERE part >= 32";
  EXPECT_EQ(Count(bytes), 2 * 4);
  WriteSpan(1, "/c");
  EXPECT_EQ(Count(bytes), 3 * 4);
  const auto db = Database::OpenForReading(folder_.File("weft.db"));
  for (const char* path : {"/old", "/a", "/b", "/c", "/d"}) Compare(*db, "url.path", path);
}

// What a trace is joined by for days is bounded: then it is read, whatever is looked for.
TEST_F(AttributeSearchTest, ATraceThatIsJoinedByTooMuchIsReadInstead) {
  WriteSpan(1, "/old");
  const auto join = [&](int from, int to) {
    test::TraceBatch batch;
    batch.BeginTrace(0xabc, 1);
    for (int i = from; i < to; ++i) {
      batch.AddSpan(++span_, 7, WEFT_KIND_SERVER, "cart", "GET /", test::kShopNoon,
                    test::kShopNoon + 500);
      batch.table.Attribute("url.path", "/event/" + std::to_string(i));
    }
    Write(batch);
  };
  for (int i = 0; i < 20; ++i) join(4'000 * i, 4'000 * (i + 1));
  const char* bytes = "SELECT sum(length(entries)) FROM attribute_directory WHERE part >= 32";
  EXPECT_EQ(Count(bytes), int64_t{kAttributeParts} * 4);
  next_ = 1;
  for (int i = 0; i < 150; ++i) WriteBatch(20);  // it gets into a group
  join(80'000, 80'001);
  EXPECT_GE(Count("SELECT count(*) FROM attribute_groups WHERE how = 2"), 1);
  EXPECT_LE(Count(bytes), int64_t{kAttributeParts} * 4 + 4'096);
  const auto db = Database::OpenForReading(folder_.File("weft.db"));
  for (const char* path : {"/old", "/event/0", "/event/79999", "/event/80000", "/event/80001"})
    Compare(*db, "url.path", path);
  CompareAll();
}

TEST_F(AttributeSearchTest, FindsWhatReadingEverySpanFinds) {
  for (int i = 0; i < 12; ++i) WriteBatch(400);
  CompareAll();
}

// Whatever the type, a value is found by what `attributes` shows of it.
TEST_F(AttributeSearchTest, FindsValuesOfEveryType) {
  test::TraceBatch batch;
  const auto span = [&] {
    batch.BeginTrace(0xabc, ++next_);
    batch.AddSpan(++span_, 0, WEFT_KIND_SERVER, "cart", "GET /", test::kShopNoon,
                  test::kShopNoon + 500);
  };
  for (const int64_t number : {0, 1, 10, -7}) {
    span();
    batch.table.Attribute("n", number);
  }
  for (const double number : {0.5, 1.0, 1e20, -2.25e-9}) {
    span();
    batch.table.Attribute("n", number);
  }
  for (const std::string_view text : {"0", "1", "true", "0.5", "", "a\nb", "\xc3\xa9 \"x\" \\"}) {
    span();
    batch.table.Attribute("n", text);
  }
  Write(batch);
  const auto db = Database::OpenForReading(folder_.File("weft.db"));
  for (const char* value : {"0", "1", "10", "-7", "0.5", "1.0", "1.0e+20", "-2.25e-09", "", "a\nb",
                            "\xc3\xa9 \"x\" \\", "2"})
    Compare(*db, "n", value);
}

TEST_F(AttributeSearchTest, FindsWhatManyBatchesHaveInTheirGroups) {
  for (int i = 0; i < 150; ++i) WriteBatch(40);
  EXPECT_GE(Count("SELECT count(*) FROM attribute_groups WHERE how = 2"), 1);
  EXPECT_LE(Count("SELECT count(DISTINCT first_trace) FROM attribute_directory WHERE part = 0"),
            int64_t{sinks::AttributeMerger::kKept + sinks::AttributeMerger::kAtOnce});
  CompareAll();
}

TEST_F(AttributeSearchTest, FindsWhatJoinsATraceOfAGroup) {
  for (int i = 0; i < 150; ++i) WriteBatch(20);
  for (const uint64_t trace : {1, 40, 77, 300}) WriteSpan(trace, "/late/" + std::to_string(trace));
  for (int i = 0; i < 70; ++i) WriteBatch(20);  // groups are merged once more
  WriteSpan(500, "/late/500");
  const auto db = Database::OpenForReading(folder_.File("weft.db"));
  for (const int trace : {1, 40, 77, 300, 500})
    Compare(*db, "url.path", "/late/" + std::to_string(trace));
  CompareAll();
}

TEST_F(AttributeSearchTest, BatchesOfOneTraceBecomeFewGroups) {
  for (int i = 0; i < 700; ++i) WriteBatch(1);
  EXPECT_LE(Count("SELECT count(*) FROM attribute_groups"), 12);
  CompareAll();
}

TEST_F(AttributeSearchTest, ABatchOfMoreTracesThanAGroupCanNumberIsRead) {
  WriteBatch(8'500);
  for (int i = 0; i < 100; ++i) WriteBatch(3);
  EXPECT_EQ(Count("SELECT count(*) FROM attribute_groups WHERE how = 0"), 1);
  CompareAll();
}

TEST_F(AttributeSearchTest, AWriterThatBeginsAnewGoesOnWithTheGroups) {
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 50; ++i) WriteBatch(30);
    Reopen();
  }
  EXPECT_GE(Count("SELECT count(*) FROM attribute_groups WHERE how = 2"), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM attribute_groups a JOIN attribute_groups b"
                  " ON b.first_trace < a.end_trace AND a.first_trace < b.end_trace"
                  " WHERE a.first_trace <> b.first_trace"),
            0);
  CompareAll();
}

TEST_F(AttributeSearchTest, RetentionTakesGroupsWithTheirTraces) {
  sinks::SqliteSinkOptions options;
  options.max_age_ns = 60 * kSecond;
  options.slice_spans = 3'000;
  Reopen(options);
  for (int i = 0; i < 150; ++i) WriteBatch(40);
  clock_.Advance(61 * kSecond);
  for (int i = 0; i < 150; ++i) WriteBatch(40);
  EXPECT_LT(Count("SELECT count(*) FROM trace_rows"), 12'000);
  EXPECT_EQ(Count("SELECT count(*) FROM attribute_groups WHERE end_trace <= (SELECT min(id) FROM"
                  " trace_rows)"),
            0);
  EXPECT_EQ(Count("SELECT count(*) FROM attribute_parts WHERE first_trace NOT IN (SELECT"
                  " first_trace FROM attribute_groups)"),
            0);
  CompareAll();
}

// Batches, spans that join stored traces, retention and restarts, in an order of chance.
class AnyOrderTest : public AttributeSearchTest, public testing::WithParamInterface<uint64_t> {
 protected:
  // Of traces that are stored, retired or in a group, with values that they often have already.
  void WriteLateSpans() {
    test::TraceBatch batch;
    std::set<uint64_t> traces;
    for (uint64_t n = 1 + random_() % 4; n > 0; --n) {
      const uint64_t back =
          random_() % (random_() % 3 == 0 ? next_ : std::min<uint64_t>(next_, 20));
      traces.insert(next_ - back);
    }
    for (const uint64_t trace : traces) {
      batch.BeginTrace(0xabc, trace);
      batch.AddSpan(++span_, 7, WEFT_KIND_SERVER, "cart", "GET /", test::kShopNoon,
                    test::kShopNoon + 500);
      batch.table.Attribute("url.path", "/late/" + std::to_string(random_() % 8));
      batch.table.Attribute("code", static_cast<int64_t>(random_() % 20 == 0 ? 418 : 419));
    }
    Write(batch);
  }
};

TEST_P(AnyOrderTest, FindsWhatReadingEverySpanFinds) {
  random_.seed(GetParam());
  sinks::SqliteSinkOptions options;
  options.max_age_ns = 60 * kSecond;
  options.slice_ns = 5 * kSecond;
  options.slice_spans = 300;
  Reopen(options);
  WriteBatch(10);
  const auto compare = [&] {
    CompareAll();
    const auto db = Database::OpenForReading(folder_.File("weft.db"));
    for (int i = 0; i < 8; ++i) Compare(*db, "url.path", "/late/" + std::to_string(i));
  };
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    const uint64_t dice = random_() % 100;
    if (dice < 55)
      WriteBatch(1 + static_cast<int>(random_() % 12));
    else if (dice < 85)
      WriteLateSpans();
    else if (dice < 97)
      clock_.Advance(static_cast<int64_t>(random_() % 5) * kSecond);
    else if (dice < 99)
      Reopen(options);
    else
      compare();
  }
  compare();
  EXPECT_GT(Count("SELECT min(id) FROM trace_rows"), 1) << "retention had nothing to do";
  EXPECT_GE(Count("SELECT count(*) FROM attribute_groups WHERE how = 2"), 1);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AnyOrderTest, testing::Range<uint64_t>(1, 4));

TEST_F(AttributeSearchTest, AStoreOfBeforeIsReadAsBefore) {
  for (int i = 0; i < 20; ++i) WriteBatch(40);
  sink_.reset();
  {
    const auto db = Database::OpenForWriting(folder_.File("weft.db"));
    ASSERT_TRUE(db->Execute(
        "DROP TABLE attribute_groups; DROP TABLE attribute_parts; DROP TABLE class_blocks;"
        "DELETE FROM attribute_directory WHERE part >= 32; PRAGMA user_version = 5"));
  }
  Reopen();
  for (int i = 0; i < 120; ++i) WriteBatch(40);
  EXPECT_EQ(Count("SELECT count(*) FROM attribute_groups WHERE how = 1"), 1);
  EXPECT_GE(Count("SELECT count(*) FROM attribute_groups WHERE how = 2"), 1);
  CompareAll();
}

TEST_F(AttributeSearchTest, ReadsBatchesThatHaveNoDirectory) {
  for (int i = 0; i < 6; ++i) WriteBatch(400);
  {
    const auto db = Database::OpenForWriting(folder_.File("weft.db"));
    ASSERT_TRUE(db->Execute("DELETE FROM attribute_directory WHERE first_trace % 2 = 1"));
  }
  CompareAll();
}

TEST_F(AttributeSearchTest, ARareValueTouchesFewPartsOfTheDirectory) {
  for (int i = 0; i < 4; ++i) WriteBatch(400);
  const auto db = Database::OpenForReading(folder_.File("weft.db"));
  EXPECT_EQ(*db->QueryInt("SELECT max(length(entries)) < 4096 AND count(DISTINCT part) = 32"
                          " FROM attribute_directory WHERE part < 32"),
            1);
}

}  // namespace
}  // namespace weft::sql
