#include "sql/trace_reader.h"

#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

TEST(TraceReader, FindsATraceByAUniquePrefix) {
  const test::ShopStore store;
  const auto trace = FindTrace(store.db, "0ABC0000000000000000000000000002");
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->operation, "POST /order");
  EXPECT_EQ(trace->spans, 5u);
  EXPECT_EQ(trace->errors, 3u);
}

TEST(TraceReader, NamesTheTracesThatBeginSo) {
  const test::ShopStore store;
  const auto trace = FindTrace(store.db, "0abc");
  ASSERT_FALSE(trace);
  EXPECT_EQ(trace.error().code, Code::kInvalid);
  EXPECT_NE(trace.error().message.find("0abc0000000000000000000000000002"), std::string::npos);
}

TEST(TraceReader, TellsUnknownFromWrongIds) {
  const test::ShopStore store;
  EXPECT_EQ(FindTrace(store.db, "ffff").error().code, Code::kNotFound);
  EXPECT_EQ(FindTrace(store.db, "xyz").error().code, Code::kInvalid);
  EXPECT_EQ(FindTrace(store.db, "").error().code, Code::kInvalid);
  EXPECT_EQ(FindTrace(store.db, std::string(33, 'a')).error().code, Code::kInvalid);
  EXPECT_EQ(FindSpan(store.db, "00000000000000ff").error().code, Code::kNotFound);
  EXPECT_EQ(FindSpan(store.db, std::string(17, 'a')).error().code, Code::kInvalid);
}

TEST(TraceReader, FindsSpansThroughTheDirectoryAlsoWithTheHighestBitSet) {
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  batch.AddSpan(0xf0f0f0f0f0f0f0f0, 0, WEFT_KIND_SERVER, "cart", "GET", 5, 9);
  batch.AddSpan(0x1234567812345678, 0, WEFT_KIND_SERVER, "cart", "GET", 5, 9);
  const test::ShopStore store(batch);
  for (const char* prefix : {"f", "f0f0f0f0", "f0f0f0f0f", "f0f0f0f0f0f0f0f0"}) {
    const auto span = FindSpan(store.db, prefix);
    ASSERT_TRUE(span) << prefix << ": " << span.error().message;
    EXPECT_EQ(span->span_id, 0xf0f0f0f0f0f0f0f0);
  }
  EXPECT_EQ(FindSpan(store.db, "f1").error().code, Code::kNotFound);
  EXPECT_EQ(FindSpan(store.db, "123456781")->span_id, 0x1234567812345678u);
}

TEST(TraceReader, ReadsSpansWithLinksAndCandidates) {
  const test::ShopStore store;
  const auto span = FindSpan(store.db, "0000000000000024");
  ASSERT_TRUE(span) << span.error().message;
  EXPECT_EQ(span->parent_id, 0x21u);
  EXPECT_DOUBLE_EQ(span->confidence, 0.62);
  EXPECT_EQ(EvidenceText(span->evidence), "delay");
  EXPECT_EQ(span->peer, "pay:80");
  const auto candidates = ReadCandidates(store.db, span->row);
  ASSERT_TRUE(candidates && candidates->size() == 2);
  EXPECT_EQ((*candidates)[1].span_id, 0x11u);
  EXPECT_DOUBLE_EQ((*candidates)[1].log_odds, 1.0);
  EXPECT_TRUE(ReadCandidates(store.db, 1)->empty());
  const auto spans = ReadSpans(store.db, span->trace_row());
  ASSERT_TRUE(spans);
  EXPECT_EQ(spans->size(), 5u);
  EXPECT_EQ(spans->front().span_id, 0x21u);
}

}  // namespace
}  // namespace weft::sql
