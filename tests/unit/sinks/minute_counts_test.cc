#include <random>

#include "sql/schema.h"
#include "sql/span_class.h"
#include "tests/unit/sinks/store_fixture.h"

namespace weft::sinks {
namespace {

constexpr int64_t kMinute = 60'000'000'000;

class MinuteCountsTest : public StoreTest {
 protected:
  // Traces of one request each, over ten minutes, four operations, durations from ns to seconds.
  void AddRequests(test::TraceBatch& batch, int n) {
    for (int i = 0; i < n; ++i) {
      const int64_t start = kNoon + static_cast<int64_t>(random_() % (10 * kMinute));
      const auto duration = static_cast<int64_t>(random_() % (uint64_t{1} << (random_() % 34)));
      const bool failed = random_() % 10 == 0;
      batch.BeginTrace(0xabc, ++id_);
      batch.AddSpan(id_, 0, random_() % 3 ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT, "cart",
                    "GET /" + std::to_string(random_() % 4), start, start + duration,
                    failed ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
    }
  }
  std::string Stored() {
    return Query(
        "SELECT group_concat(x, ';') FROM (SELECT minute_ns || ' ' || operation || ' ' || requests"
        " || ' ' || errors || ' ' || total_ns || ' ' || max_ns || ' ' || weight || ' ' ||"
        " (SELECT group_concat(key || '=' || value) FROM (SELECT key, value FROM"
        " json_each(histogram) ORDER BY CAST(key AS INTEGER))) AS x"
        " FROM minute_rows ORDER BY minute_ns, operation)");
  }
  std::string FromSpans() {
    return Query(
        "SELECT group_concat(x, ';') FROM (SELECT start_ns / 60000000000 * 60000000000 AS m,"
        " series, (start_ns / 60000000000 * 60000000000) || ' ' || series || ' ' || count(*) || ' '"
        " || sum(error) || ' ' || sum(duration_ns) AS x FROM requests GROUP BY m, series ORDER BY "
        "1, 2)");
  }
  std::string SumsOnly() {
    return Query(
        "SELECT group_concat(x, ';') FROM (SELECT minute_ns || ' ' || operation || ' ' || requests"
        " || ' ' || errors || ' ' || total_ns AS x FROM minute_rows ORDER BY minute_ns, "
        "operation)");
  }

  std::mt19937_64 random_{1};
  uint64_t id_ = 0;
};

TEST_F(MinuteCountsTest, AreWhatTheSpansSayOverBatchesAndRestarts) {
  for (int restart = 0; restart < 3; ++restart) {
    Open();
    for (int i = 0; i < 3; ++i) {
      test::TraceBatch batch;
      AddRequests(batch, 300);
      ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
    }
  }
  EXPECT_EQ(SumsOnly(), FromSpans());
}

TEST_F(MinuteCountsTest, PercentilesAreWithinABucket) {
  Open();
  test::TraceBatch batch;
  AddRequests(batch, 5'000);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM red_hour"), "4");
  for (const char* p : {"p50_ms", "p95_ms"})
    EXPECT_EQ(Query("SELECT count(*) FROM red r JOIN red_hour h USING (service, operation)"
                    " WHERE r.count = h.count AND r.errors = h.errors AND abs(h." +
                    std::string(p) + " - r." + p + ") <= 0.065 * r." + p + " + 0.001"),
              "4")
        << p;
  EXPECT_EQ(Query("SELECT sum(count) FROM red_minutes"), Query("SELECT sum(count) FROM red"));
}

TEST_F(MinuteCountsTest, BucketsAreWhatTheViewsTakeThemFor) {
  for (const int64_t ns :
       {0L, 1023L, 1024L, 1151L, 1152L, 2047L, 2048L, 50'000'000L, 3'000'000'000L}) {
    const int b = sql::DurationBucket(ns);
    const int64_t low = b == 0 ? 0 : int64_t{16 + (b - 1) % 16} << ((b - 1) / 16 + 6);
    const int64_t width = b == 0 ? 1024 : int64_t{1} << ((b - 1) / 16 + 6);
    EXPECT_LE(low, ns);
    EXPECT_LT(ns, low + width);
  }
  EXPECT_EQ(sql::DurationBucket(INT64_MAX), sql::kDurationBuckets - 1);
}

TEST_F(MinuteCountsTest, AnOpenRequestCountsWhenItHasEnded) {
  Open();
  for (const int64_t end : {int64_t{0}, kNoon + 5'000'000}) {
    test::TraceBatch batch;
    batch.BeginTrace(0xabc, 1);
    batch.AddSpan(7, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, end);
    ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
    EXPECT_EQ(Query("SELECT count(*) FROM minute_rows"), end == 0 ? "0" : "1");
  }
  EXPECT_EQ(Query("SELECT requests || ' ' || total_ns FROM minute_rows"), "1 5000000");
}

TEST_F(MinuteCountsTest, ARequestWhoseTrueEndComesLaterCountsOnce) {
  Open();
  for (const uint32_t flags : {uint32_t{WEFT_FLAG_AGENT_LOST}, 0u}) {
    test::TraceBatch batch;
    batch.BeginTrace(0xabc, 1);
    batch.AddSpan(7, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon,
                  kNoon + (flags ? 9'000'000 : 5'000'000), WEFT_STATUS_UNSET, flags);
    ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  }
  EXPECT_EQ(Query("SELECT requests || ' ' || total_ns || ' ' || histogram FROM minute_rows"),
            "1 5000000 {\"" + std::to_string(sql::DurationBucket(5'000'000)) + "\":1}");
}

TEST_F(MinuteCountsTest, AnOlderStoreGetsThemWhenItIsBroughtUpToDate) {
  Open();
  test::TraceBatch batch;
  AddRequests(batch, 2'000);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  const std::string written = Stored();
  sink_.reset();
  {
    auto db = sql::Database::OpenForWriting(path_);
    ASSERT_TRUE(db);
    ASSERT_TRUE(
        db->Execute("DROP VIEW minute_counts; DROP VIEW red_minutes; DROP VIEW red_hour;"
                    "DROP TABLE minute_rows; DROP TABLE attribute_directory;"
                    "DROP TABLE attribute_groups; DROP TABLE attribute_parts;"
                    "DROP TABLE class_blocks; PRAGMA user_version = 3"));
  }
  Open();
  EXPECT_EQ(Stored(), written);
}

TEST_F(MinuteCountsTest, GoWithTheSlicesThatTheyAreFrom) {
  SqliteSinkOptions options;
  options.max_age_ns = 10 * kMinute;
  Open(options);
  test::TraceBatch old;
  AddTrace(old, 1, 1);
  ASSERT_EQ(Write(old), WEFT_EXPORT_OK);
  clock_.Advance(30 * kMinute);
  test::TraceBatch fresh;
  AddTrace(fresh, 2, 11, kNoon + 30 * kMinute);
  ASSERT_EQ(Write(fresh), WEFT_EXPORT_OK);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(sink_->Retire());
  EXPECT_EQ(Query("SELECT group_concat((minute_ns - 1700000000000000000) / 60000000000)"
                  " FROM minute_rows"),
            "29");
}

}  // namespace
}  // namespace weft::sinks
