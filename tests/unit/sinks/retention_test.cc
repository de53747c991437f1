#include "sinks/sqlite/retention.h"

#include <filesystem>

#include "tests/unit/sinks/store_fixture.h"

namespace weft::sinks {
namespace {

using RetentionTest = StoreTest;

SqliteSinkOptions Limits(int64_t max_age_ns, uint64_t max_bytes) {
  SqliteSinkOptions options;
  options.max_age_ns = max_age_ns;
  options.max_bytes = max_bytes;
  options.slice_spans = 2'000;
  return options;
}

TEST_F(RetentionTest, RemovesWhatWasStoredTooLongAgo) {
  Open(Limits(3600 * kSecond, 0));
  test::TraceBatch old, young;
  AddTrace(old, 1, 10);
  AddTrace(young, 2, 20);
  ASSERT_EQ(Write(old), WEFT_EXPORT_OK);
  clock_.Advance(1800 * kSecond);
  ASSERT_EQ(Write(young), WEFT_EXPORT_OK);
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "2");
  clock_.Advance(1801 * kSecond);
  ASSERT_TRUE(sink_->Retire());
  EXPECT_EQ(Query("SELECT trace_id FROM traces"), "0000000000000abc0000000000000002");
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "2");
  EXPECT_EQ(sink_->counts().retired, 2u);
  EXPECT_EQ(sink_->counts().retired_traces, 1u);
  EXPECT_EQ(Query("SELECT count(*) FROM connection_rows"), "1");
}

TEST_F(RetentionTest, ADayThatIsSetWronglyMakesNothingTooOldForAnHour) {
  struct SetClock final : Clock {
    int64_t MonotonicNs() const override { return now; }
    int64_t UnixNs() const override { return kNoon + now + set; }
    int64_t now = 0, set = 0;
  } clock;
  SqliteSinkOptions options = Limits(24 * 3600 * kSecond, 0);
  options.path = path_;
  auto sink = SqliteSink::Open(options, clock);
  ASSERT_TRUE(sink);
  sink_ = std::move(*sink);
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  clock.now += 60 * kSecond;
  clock.set = 365LL * 86'400 * kSecond;  // somebody typed the wrong year
  ASSERT_TRUE(sink_->Retire());
  clock.now += 1800 * kSecond;
  ASSERT_TRUE(sink_->Retire());
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "1");
  EXPECT_EQ(sink_->counts().clock_steps, 1u);
  clock.set = 0;  // and saw it
  ASSERT_TRUE(sink_->Retire());
  clock.now += 3601 * kSecond;
  ASSERT_TRUE(sink_->Retire());
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "1");
  EXPECT_EQ(sink_->counts().clock_steps, 2u);
  clock.now += 24 * 3600 * kSecond;
  ASSERT_TRUE(sink_->Retire());
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "0") << "age counts again";
}

TEST_F(RetentionTest, AgeCountsFromStoringSoThatAnOldRecordingStays) {
  Open(Limits(3600 * kSecond, 0));
  test::TraceBatch replayed;
  AddTrace(replayed, 1, 10, kNoon - 365LL * 86'400 * kSecond);
  ASSERT_EQ(Write(replayed), WEFT_EXPORT_OK);
  ASSERT_TRUE(sink_->Retire());
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "1");
}

TEST_F(RetentionTest, KeepsTheFileWithinItsBytesOldestFirst) {
  constexpr uint64_t kLimit = 4'000'000;
  Open(Limits(0, kLimit));
  uint64_t next = 1;
  for (int b = 0; b < 60; ++b) {
    test::TraceBatch batch;
    for (int i = 0; i < 500; ++i, ++next)
      AddTrace(batch, next, next * 0x9e3779b97f4a7c15ULL, kNoon + static_cast<int64_t>(next));
    ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
    clock_.Advance(kSecond);
  }
  EXPECT_GT(sink_->counts().retired, 10'000u);
  EXPECT_EQ(sink_->counts().rows - sink_->counts().retired,
            std::stoull(Query("SELECT count(*) FROM spans")));
  // What is left are the newest, without a hole.
  EXPECT_EQ(Query("SELECT max(id) - min(id) + 1 = count(*) FROM trace_rows"), "1");
  EXPECT_EQ(Query("SELECT max(id) FROM trace_rows"), std::to_string(next - 1));
  ASSERT_TRUE(sink_->Close());
  EXPECT_LE(std::filesystem::file_size(path_), kLimit);
  EXPECT_EQ(Query("SELECT count(*) FROM span_directory WHERE last_trace < "
                  "(SELECT min(id) FROM trace_rows)"),
            "0");
}

TEST_F(RetentionTest, GivesPagesBackWhenMostAreFree) {
  Open(Limits(3600 * kSecond, 0));
  for (uint64_t b = 0; b < 20; ++b) {
    test::TraceBatch batch;
    for (uint64_t i = 0; i < 1'000; ++i)
      AddTrace(batch, b * 1'000 + i, (b * 1'000 + i) * 0x9e3779b97f4a7c15ULL);
    ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  }
  ASSERT_TRUE(sink_->Close());
  const auto before = std::filesystem::file_size(path_);
  clock_.Advance(2 * 3600 * kSecond);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(sink_->Retire());
  ASSERT_TRUE(sink_->Close());
  EXPECT_LT(std::filesystem::file_size(path_), before / 2);
}

}  // namespace
}  // namespace weft::sinks
