#include "sinks/sqlite/sqlite_sink.h"

#include <sys/stat.h>

#include "tests/unit/sinks/store_fixture.h"

namespace weft::sinks {
namespace {

using SqliteSinkTest = StoreTest;

TEST_F(SqliteSinkTest, StoresTracesThatReadersSeeAtOnce) {
  Open();
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  AddTrace(batch, 2, 20);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "2");
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "4");
  EXPECT_EQ(Query("SELECT trace_id FROM traces LIMIT 1"), "0000000000000abc0000000000000001");
  EXPECT_EQ(Query("SELECT service || ' ' || operation || ' ' || spans FROM traces LIMIT 1"),
            "cart GET /cart 2");
  EXPECT_EQ(Query("SELECT parent_id FROM spans WHERE span_id = '000000000000000b'"),
            "000000000000000a");
  EXPECT_EQ(sink_->counts().rows, 4u);
}

TEST_F(SqliteSinkTest, KeepsTheElevenFactsOfASpan) {
  Open();
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  const uint32_t row = batch.AddSpan(7, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, kNoon + 5,
                                     WEFT_STATUS_ERROR, WEFT_FLAG_NEW_CONNECTION);
  api::SpanTable& t = batch.table;
  t.local_address[row] = t.Intern("10.0.0.1");
  t.remote_address[row] = t.Intern("10.0.0.2");
  t.local_port[row] = 80;
  t.remote_port[row] = 40'000;
  t.fd[row] = 9;
  t.request_tid[row] = 101;
  t.response_tid[row] = 102;
  t.request_bytes[row] = 300;
  t.response_bytes[row] = 4'000;
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT local_address || ':' || local_port || ' ' || remote_address || ':' || "
                  "remote_port || ' ' || fd || ' ' || pid || ' ' || request_tid || ' ' || "
                  "response_tid || ' ' || start_ns || ' ' || end_ns || ' ' || node || ' ' || "
                  "request_bytes || ' ' || response_bytes || ' ' || new_connection FROM spans"),
            "10.0.0.1:80 10.0.0.2:40000 9 100 101 102 1700000000000000000 1700000000000000005 "
            "node-1 300 4000 1");
}

TEST_F(SqliteSinkTest, SkipsABatchThatComesAgain) {
  Open({.topic = "weft.spans"});
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  ASSERT_EQ(Write(batch, test::TraceBatch::Source(5)), WEFT_EXPORT_OK);
  Open({.topic = "weft.spans"});
  EXPECT_EQ(Write(batch, test::TraceBatch::Source(5)), WEFT_EXPORT_OK);
  EXPECT_EQ(Write(batch, test::TraceBatch::Source(4)), WEFT_EXPORT_OK);
  EXPECT_EQ(sink_->counts().replayed, 4u);
  EXPECT_EQ(sink_->counts().rows, 0u);
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "2");
  EXPECT_EQ(Query("SELECT next_offset FROM offsets WHERE topic = 'weft.spans'"), "50");
}

TEST_F(SqliteSinkTest, ANewerGenerationGoesOnAndAnOlderOneIsOverruled) {
  Open({.topic = "weft.spans"});
  test::TraceBatch first, second, third;
  AddTrace(first, 1, 10);
  AddTrace(second, 2, 20);
  AddTrace(third, 3, 30);
  ASSERT_EQ(Write(first, test::TraceBatch::Source(9, 1)), WEFT_EXPORT_OK);
  ASSERT_EQ(Write(second, test::TraceBatch::Source(1, 2)), WEFT_EXPORT_OK);
  ASSERT_EQ(Write(third, test::TraceBatch::Source(10, 1)), WEFT_EXPORT_OK);
  EXPECT_EQ(sink_->counts().replayed, 2u);
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "2");
}

TEST_F(SqliteSinkTest, OffsetsOfAMemoryTransportEndWithTheProcess) {
  Open();
  test::TraceBatch batch, other;
  AddTrace(batch, 1, 10);
  AddTrace(other, 2, 20);
  ASSERT_EQ(Write(batch, test::TraceBatch::Source(1)), WEFT_EXPORT_OK);
  clock_.Advance(kSecond);
  Open();
  ASSERT_EQ(Write(other, test::TraceBatch::Source(1)), WEFT_EXPORT_OK);
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "2");
  EXPECT_EQ(Query("SELECT count(*) FROM offsets"), "1");
}

TEST_F(SqliteSinkTest, ALateSpanJoinsItsStoredTrace) {
  Open();
  test::TraceBatch batch, late;
  AddTrace(batch, 1, 10);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  late.BeginTrace(0xabc, 1);
  late.AddSpan(99, 11, WEFT_KIND_SERVER, "stock", "GET /stock", kNoon + 2'000'000,
               kNoon + 90'000'000, WEFT_STATUS_ERROR, WEFT_FLAG_LATE);
  ASSERT_EQ(Write(late), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM traces"), "1");
  EXPECT_EQ(Query("SELECT spans || ' ' || errors || ' ' || duration_ns || ' ' || has_late || ' ' "
                  "|| service FROM traces"),
            "3 1 90000000 1 cart");
  EXPECT_EQ(Query("SELECT count(*) FROM spans WHERE trace_id = '0000000000000abc0000000000000001'"),
            "3");
}

TEST_F(SqliteSinkTest, AnEndedSpanReplacesItsOpenSelf) {
  Open();
  test::TraceBatch open, ended;
  open.BeginTrace(1, 1);
  open.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, 0);
  ASSERT_EQ(Write(open), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT is_open || ' ' || (duration_ns IS NULL) FROM spans"), "1 1");
  EXPECT_EQ(Query("SELECT flags & 1 FROM traces"), "1");
  ended.BeginTrace(1, 1);
  ended.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, kNoon + 15 * kSecond,
                WEFT_STATUS_OK, WEFT_FLAG_LATE);
  ASSERT_EQ(Write(ended), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) || ' ' || max(is_open) || ' ' || max(duration_ms) FROM spans"),
            "1 0 15000.0");
  EXPECT_EQ(Query("SELECT (flags & 1) || ' ' || duration_ms FROM traces"), "0 15000.0");
  EXPECT_EQ(sink_->counts().replaced, 1u);
}

TEST_F(SqliteSinkTest, TheTrueEndReplacesTheOneOfALostAgentAndIsKept) {
  Open();
  test::TraceBatch lost, back;
  lost.BeginTrace(1, 1);
  lost.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, kNoon + kSecond, WEFT_STATUS_OK,
               WEFT_FLAG_AGENT_LOST);
  back.BeginTrace(1, 1);
  back.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, kNoon + 15 * kSecond,
               WEFT_STATUS_OK, WEFT_FLAG_LATE);
  for (const test::TraceBatch* batch : {&lost, &back, &lost})
    ASSERT_EQ(Write(*batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(
      Query("SELECT count(*) || ' ' || max(flags & 16) || ' ' || max(duration_ms) FROM spans"),
      "1 0 15000.0");
  EXPECT_EQ(sink_->counts().replaced, 1u);
  EXPECT_EQ(sink_->counts().duplicates, 1u);
}

TEST_F(SqliteSinkTest, OpenAndEndedRowsOfOneBatchBecomeOneSpan) {
  Open();
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  batch.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, 0);
  batch.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, kNoon + kSecond);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) || ' ' || max(duration_ms) FROM spans"), "1 1000.0");
  EXPECT_EQ(Query("SELECT spans FROM traces"), "1");
}

TEST_F(SqliteSinkTest, ASpanThatIsStoredAlreadyIsCountedAsDuplicate) {
  Open();
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  EXPECT_EQ(sink_->counts().duplicates, 2u);
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "2");
}

TEST_F(SqliteSinkTest, StoresCandidatesOnlyWhereThereWasAChoice) {
  Open();
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  batch.AddSpan(10, 0, WEFT_KIND_SERVER, "cart", "GET /", kNoon, kNoon + 9);
  batch.AddSpan(11, 10, WEFT_KIND_CLIENT, "cart", "GET", kNoon + 1, kNoon + 5);
  batch.table.Candidate(10, 4.0f, WEFT_EVIDENCE_THREAD);
  const uint32_t row = batch.AddSpan(12, 10, WEFT_KIND_CLIENT, "cart", "GET", kNoon + 1, kNoon + 5);
  batch.table.confidence[row] = 0.75f;
  batch.table.evidence[row] = WEFT_EVIDENCE_THREAD | WEFT_EVIDENCE_DELAY;
  batch.table.Candidate(10, 1.5f, WEFT_EVIDENCE_THREAD);
  batch.table.Candidate(77, -2.25f, WEFT_EVIDENCE_DELAY);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM candidate_rows"), "1");
  EXPECT_EQ(Query("SELECT candidates FROM links WHERE child = '000000000000000c'"),
            "[[\"000000000000000a\",1.5,4],[\"000000000000004d\",-2.25,8]]");
  EXPECT_EQ(Query("SELECT evidence || ' ' || confidence FROM links WHERE candidates IS NOT NULL"),
            "thread delay 0.75");
  EXPECT_EQ(Query("SELECT candidate FROM candidates WHERE NOT chosen"), "000000000000004d");
}

TEST_F(SqliteSinkTest, NobodyElseCanReadTheFiles) {
  const mode_t before = ::umask(0);
  Open();
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat st {};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &st), 0) << suffix;
    EXPECT_EQ(st.st_mode & 0777, 0600u) << suffix;
  }
  ::umask(before);
}

TEST_F(SqliteSinkTest, TruthIsAnAttribute) {
  Open();
  test::TraceBatch batch;
  AddTrace(batch, 1, 10);
  batch.table.Truth("r17.1");
  ASSERT_EQ(Write(batch), WEFT_EXPORT_OK) << error_.message;
  EXPECT_EQ(Query("SELECT span_id || ' ' || value FROM attributes WHERE key = 'weft.truth'"),
            "000000000000000b r17.1");
}

TEST_F(SqliteSinkTest, TakesColumnsThatAreNotKnown) {
  Open();
  const uint64_t span_id[] = {5}, trace_hi[] = {1}, trace_lo[] = {2}, exchange[] = {5};
  const int64_t start[] = {kNoon}, end[] = {kNoon + 10};
  const uint8_t kind[] = {WEFT_KIND_SERVER};
  const uint32_t zero[] = {0}, one[] = {1};
  const weft_str strings[] = {{"", 0}};
  weft_spans spans{};
  spans.struct_size = sizeof spans;
  spans.n = 1;
  spans.span_id = span_id;
  spans.exchange = exchange;
  spans.start_ns = start;
  spans.end_ns = end;
  spans.kind = kind;
  spans.flags = zero;
  spans.process = zero;
  spans.service = zero;
  spans.operation = zero;
  spans.strings = strings;
  spans.n_strings = 1;
  weft_traces traces{};
  traces.struct_size = sizeof traces;
  traces.n = 1;
  traces.trace_hi = trace_hi;
  traces.trace_lo = trace_lo;
  traces.first_row = zero;
  traces.n_rows = one;
  traces.start_ns = start;
  traces.end_ns = end;
  ASSERT_EQ(sink_->Write(spans, traces, test::TraceBatch::Source(1), &error_), WEFT_EXPORT_OK)
      << error_.message;
  EXPECT_EQ(Query("SELECT count(*) FROM spans"), "1");
}

}  // namespace
}  // namespace weft::sinks
