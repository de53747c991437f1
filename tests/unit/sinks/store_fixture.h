// A store in a folder of its own, with a manual clock: what the tests of the SQLite sink share.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "sinks/sqlite/sqlite_sink.h"
#include "tests/support/temp_folder.h"
#include "tests/support/trace_batch.h"

namespace weft::sinks {

inline constexpr int64_t kNoon = 1'700'000'000'000'000'000;

class StoreTest : public ::testing::Test {
 protected:
  void Open(SqliteSinkOptions options = {}) {
    sink_.reset();
    options.path = path_;
    auto sink = SqliteSink::Open(options, clock_);
    ASSERT_TRUE(sink.has_value()) << sink.error().message;
    sink_ = std::move(*sink);
  }

  weft_outcome Write(const test::TraceBatch& batch, const weft_source& source) {
    const api::SpanView view = batch.table.View();
    return sink_->Write(view.spans(), batch.Traces(), source, &error_);
  }
  weft_outcome Write(const test::TraceBatch& batch) {
    return Write(batch, test::TraceBatch::Source(++batch_));
  }

  // One value of the store, as text, seen through a connection of its own.
  std::string Query(const std::string& sql) {
    auto db = sql::Database::OpenForReading(path_);
    if (!db) return db.error().message;
    auto statement = db->Prepare(sql);
    if (!statement) return statement.error().message;
    const auto row = statement->Step();
    if (!row) return row.error().message;
    return *row ? std::string(statement->Text(0)) : "(no row)";
  }

  // A server span of `service` with one client call below it; ids begin at `id`.
  static void AddTrace(test::TraceBatch& batch, uint64_t lo, uint64_t id, int64_t start = kNoon,
                       const std::string& service = "cart") {
    batch.BeginTrace(0xabc, lo);
    batch.AddSpan(id, 0, WEFT_KIND_SERVER, service, "GET /cart", start, start + 50'000'000);
    batch.AddSpan(id + 1, id, WEFT_KIND_CLIENT, service, "GET", start + 1'000'000,
                  start + 20'000'000);
  }

  test::TempFolder folder_;
  std::string path_ = folder_.File("weft.db");
  ManualClock clock_{0, kNoon};
  std::unique_ptr<SqliteSink> sink_;
  uint64_t batch_ = 0;
  Error error_;
};

}  // namespace weft::sinks
