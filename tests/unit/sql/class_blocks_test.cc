// Searches by duration and error find what reading every span finds, in whatever block it is.
#include <random>
#include <set>

#include <fmt/format.h>

#include "sinks/sqlite/class_blocks.h"
#include "sinks/sqlite/sqlite_sink.h"
#include "sql/trace_search.h"
#include "tests/support/shop_store.h"
#include "tests/support/temp_folder.h"

namespace weft::sql {
namespace {

class ClassBlocksTest : public testing::Test {
 protected:
  ClassBlocksTest() { Reopen(); }

  void Reopen() {
    sink_.reset();
    sinks::SqliteSinkOptions options;
    options.path = folder_.File("weft.db");
    options.topic = "test";
    sink_ = std::move(*sinks::SqliteSink::Open(options, clock_));
  }

  // As if thousands of traces had been stored meanwhile: the next one begins a block.
  void NextBlock() {
    sink_.reset();
    {
      const auto db = Database::OpenForWriting(folder_.File("weft.db"));
      ASSERT_TRUE(db->Execute(
          "INSERT INTO slices SELECT max(id) + 1, stored_ns, (((SELECT max(id) FROM trace_rows)"
          " >> 13) + 1) << 13, first_connection, min_start_ns, max_start_ns, 0 FROM slices"));
    }
    Reopen();
  }

  void AddSpan(test::TraceBatch& batch, uint64_t trace) {
    batch.BeginTrace(0xabc, trace);
    const auto duration = static_cast<int64_t>(1'000) << (random_() % 20);
    const int64_t start = test::kShopNoon + static_cast<int64_t>(trace);
    batch.AddSpan(++span_, 0, WEFT_KIND_SERVER, fmt::format("svc-{}", random_() % 3),
                  fmt::format("GET /{}", random_() % 3), start, start + duration,
                  random_() % 10 == 0 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
  }

  void WriteBlock() {
    test::TraceBatch batch;
    for (int i = 0; i < 60; ++i) AddSpan(batch, ++trace_);
    Write(batch);
    NextBlock();
  }

  void Write(test::TraceBatch& batch) {
    const api::SpanView view = batch.table.View();
    Error error;
    ASSERT_EQ(
        sink_->Write(view.spans(), batch.Traces(), test::TraceBatch::Source(++batch_), &error),
        WEFT_EXPORT_OK)
        << error.message;
  }

  void CompareAll() {
    const auto db = Database::OpenForReading(folder_.File("weft.db"));
    ASSERT_TRUE(db) << db.error().message;
    for (int i = 0; i < 60; ++i) {
      TraceFilter filter;
      filter.service = fmt::format("svc-{}", random_() % 3);
      if (i % 2 == 0) filter.operation = fmt::format("GET /{}", random_() % 3);
      filter.min_duration_ns = static_cast<int64_t>(900) << (random_() % 20);
      if (i % 3 == 0) filter.max_duration_ns = filter.min_duration_ns * 5;
      filter.errors = i % 5 == 0;
      filter.limit = 100'000;
      Compare(*db, filter);
    }
  }

  void Compare(const Database& db, const TraceFilter& filter) {
    const auto found = SearchTraces(db, filter);
    ASSERT_TRUE(found) << found.error().message;
    std::set<std::string> ids, expected;
    for (const StoredTrace& trace : *found) ids.insert(trace.trace_id);
    auto all = db.Prepare(fmt::format(
        "SELECT DISTINCT trace_id FROM spans WHERE service = '{}' AND ('{}' = '' OR operation ="
        " '{}') AND duration_ns BETWEEN {} AND {} AND ({} OR status = 'ERROR')",
        filter.service, filter.operation, filter.operation, filter.min_duration_ns,
        filter.max_duration_ns, filter.errors ? "0" : "1"));
    ASSERT_TRUE(all) << all.error().message;
    for (auto row = all->Step(); row && *row; row = all->Step())
      expected.insert(std::string(all->Text(0)));
    EXPECT_EQ(ids, expected);
  }

  int64_t Count(const char* sql) {
    const auto db = Database::OpenForReading(folder_.File("weft.db"));
    return db->QueryInt(sql).value_or(-1);
  }

  test::TempFolder folder_;
  ManualClock clock_{0, test::kShopNoon};
  std::unique_ptr<sinks::SqliteSink> sink_;
  std::mt19937_64 random_{5};
  uint64_t trace_ = 0, span_ = 0, batch_ = 0;
};

TEST_F(ClassBlocksTest, BlocksThatAreNotedGiveWhatReadingEverySpanFinds) {
  for (int i = 0; i < 12; ++i) WriteBlock();
  EXPECT_EQ(Count("SELECT count(*) FROM class_blocks"), 12 - sinks::ClassBlocks::kLag);
  CompareAll();
}

TEST_F(ClassBlocksTest, WhatComesLateForANotedBlockIsFound) {
  for (int i = 0; i < 12; ++i) WriteBlock();
  for (int i = 0; i < 40; ++i) {
    test::TraceBatch late;
    AddSpan(late, 1 + random_() % trace_);
    Write(late);
  }
  CompareAll();
}

TEST_F(ClassBlocksTest, BlocksOfBeforeAreSearchedAsBefore) {
  for (int i = 0; i < 8; ++i) WriteBlock();
  {
    const auto db = Database::OpenForWriting(folder_.File("weft.db"));
    ASSERT_TRUE(db->Execute("DELETE FROM class_blocks"));
  }
  Reopen();
  for (int i = 0; i < 8; ++i) WriteBlock();
  EXPECT_LE(Count("SELECT count(*) FROM class_blocks"), 8);
  CompareAll();
}

}  // namespace
}  // namespace weft::sql
