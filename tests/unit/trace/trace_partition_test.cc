#include "tests/unit/trace/trace_partition_fixture.h"

namespace weft::trace {
namespace {

using transport::Record;
using transport::Stream;
using transport::Transaction;

int32_t DropAll(void*, const weft_spans*, const weft_traces* traces, weft_decisions* out,
                weft_error*) {
  for (uint32_t i = 0; i < traces->n; ++i) out->keep[i] = 0;
  return WEFT_OK;
}
const weft_sampler kDropAll{sizeof(weft_sampler), DropAll, nullptr, nullptr};
int32_t DropOdd(void*, const weft_spans*, const weft_traces* traces, weft_decisions* out,
                weft_error*) {
  for (uint32_t i = 0; i < traces->n; ++i) out->keep[i] = traces->trace_hi[i] % 2 == 0;
  return WEFT_OK;
}
const weft_sampler kDropOdd{sizeof(weft_sampler), DropOdd, nullptr, nullptr};

TEST_F(TracePartitionTest, ClosesATraceWhenEveryWatermarkHasPassedItsRoot) {
  partition_->Consume(Spans(0, 100, {{1, 11, 10}, {1, 10}}));
  partition_->Consume(Spans(1, 110, {}, 0, 200));
  Tick(120);
  EXPECT_TRUE(exported_.empty());
  partition_->Consume(Spans(2, 120, {}, 1, 101));
  const Transaction t = Tick(130);
  ASSERT_EQ(exported_.size(), 1u);
  EXPECT_EQ(exported_[0]->spans.span_id, (std::vector<uint64_t>{10, 11}));  // root first
  EXPECT_EQ(exported_[0]->traces.root_row[0], 0u);
  EXPECT_EQ(exported_[0]->partition, 3u);
  EXPECT_EQ(exported_[0]->generation, 7u);
  EXPECT_EQ(exported_[0]->next_offset, 3u);
  ASSERT_EQ(t.out.size(), 1u);
  EXPECT_EQ(t.out[0].stream, Stream::kDecisions);
  EXPECT_FALSE(t.commit_offset) << "nothing is durable yet";
}

TEST_F(TracePartitionTest, MovesTheOffsetOnlyPastWhatIsDurable) {
  partition_->Consume(Spans(0, 100, {{1, 10}}));
  partition_->Consume(Spans(1, 100, {{2, 20, 19}}));  // its root is still to come
  Watermarks(2, 150, 140);
  Tick(150);
  ASSERT_EQ(exported_.size(), 1u);
  EXPECT_EQ(exported_[0]->next_offset, 1u);
  partition_->Acknowledge(exported_[0]->number);
  EXPECT_EQ(Tick(151).commit_offset, 1u);
}

TEST_F(TracePartitionTest, SampledOutTracesNeedNoAcknowledgement) {
  samplers_ = {{"drop", &kDropAll, nullptr}};
  Make(0);
  partition_->Consume(Spans(0, 100, {{1, 10}}));
  Watermarks(1, 150, 140);
  EXPECT_EQ(Tick(150).commit_offset, 3u);
  EXPECT_TRUE(exported_.empty());
  EXPECT_EQ(Count("trace.sampled_out"), 1u);
  EXPECT_TRUE(partition_->Idle());
}

TEST_F(TracePartitionTest, ExportsOnlyTheKeptTracesOfABatch) {
  samplers_ = {{"odd", &kDropOdd, nullptr}};
  Make(0);
  partition_->Consume(Spans(0, 100, {{1, 10}, {2, 20}, {2, 21, 20}, {3, 30}, {4, 40}}));
  Watermarks(1, 150, 140);
  Tick(150);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{20, 21, 40}));
  ASSERT_EQ(exported_[0]->traces.n(), 2u);
  EXPECT_EQ(exported_[0]->traces.first_row[1], 2u);
  EXPECT_EQ(Count("trace.kept"), 3u);
  EXPECT_EQ(Count("trace.sampled_out"), 2u);
}

TEST_F(TracePartitionTest, WaitsForAnOpenSpanAtMostItsGrace) {
  partition_->Consume(Spans(0, 0, {{1, 10}, {1, 11, 10, WEFT_FLAG_OPEN}}));
  Watermarks(1, 20 * kSecond, 9 * kSecond);
  Tick(20 * kSecond);
  EXPECT_TRUE(exported_.empty()) << "real time says nothing";
  Watermarks(3, 20 * kSecond, 10 * kSecond + 1);
  Tick(20 * kSecond);
  ASSERT_EQ(exported_.size(), 1u);
  EXPECT_EQ(exported_[0]->spans.flags[1] & WEFT_FLAG_OPEN, WEFT_FLAG_OPEN);
}

TEST_F(TracePartitionTest, TheEndedVersionReplacesTheOpenOne) {
  partition_->Consume(Spans(0, 0, {{1, 10, 0, WEFT_FLAG_OPEN}, {1, 11, 10}}));
  Watermarks(1, kSecond, kSecond);
  Tick(kSecond);
  EXPECT_TRUE(exported_.empty()) << "the root is open";
  partition_->Consume(Spans(3, 2 * kSecond, {{1, 10}}));
  Watermarks(4, 3 * kSecond, 3 * kSecond);
  Tick(3 * kSecond);
  ASSERT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 11}));
  EXPECT_EQ(exported_[0]->spans.flags[0], 0u);
  EXPECT_EQ(Count("trace.announced"), 1u);
  EXPECT_EQ(Count("trace.spans"), 2u) << "the ledger counts ended spans";
  EXPECT_EQ(Count("trace.kept"), 2u);
}

TEST_F(TracePartitionTest, TheTrueEndReplacesTheOneOfALostAgent) {
  partition_->Consume(Spans(0, 0, {{1, 10}, {1, 11, 10}}));
  partition_->Consume(Spans(1, 10, {{1, 11, 10, WEFT_FLAG_AGENT_LOST}}));
  Watermarks(2, kSecond, kSecond);
  Tick(kSecond);
  ASSERT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 11}));
  EXPECT_EQ(exported_[0]->spans.flags[1] & WEFT_FLAG_AGENT_LOST, 0u);
  EXPECT_EQ(Count("trace.replaced"), 1u);
}

TEST_F(TracePartitionTest, ClosesATraceOverItsTimeBudgetMarked) {
  partition_->Consume(Spans(0, 0, {{1, 11, 10}}));
  Watermarks(1, 90 * kSecond, 60 * kSecond);
  Tick(90 * kSecond);
  EXPECT_TRUE(exported_.empty());
  Watermarks(3, 90 * kSecond, 60 * kSecond + 1);
  Tick(90 * kSecond);
  ASSERT_EQ(exported_.size(), 1u);
  EXPECT_EQ(exported_[0]->traces.flags[0], WEFT_FLAG_DEADLINE);
  EXPECT_EQ(exported_[0]->traces.root_row[0], WEFT_NONE);
  EXPECT_EQ(Count("trace.deadline"), 1u);
}

TEST_F(TracePartitionTest, ATraceWithoutARootWaitsForStandingWatermarksAtMostItsPatience) {
  partition_->Consume(Spans(0, 0, {{1, 11, 10}}));
  Watermarks(1, kSecond, kSecond);
  Tick(599 * kSecond);
  EXPECT_TRUE(exported_.empty());
  Tick(600 * kSecond);
  ASSERT_EQ(exported_.size(), 1u);
  EXPECT_EQ(exported_[0]->traces.flags[0], WEFT_FLAG_DEADLINE);
}

// Stage 1 read it in a backlog: the append time is an hour later than what the sender had read.
TEST_F(TracePartitionTest, ClosesWhatStage1ReadInABacklogAsItWouldHaveBeenClosedThen) {
  constexpr int64_t kNow = 3600 * kSecond;
  const auto late = [&](uint64_t offset, std::vector<Row> rows, uint32_t from, int64_t input_ns,
                        int64_t watermark_ns) {
    transport::Record record = Spans(offset, kNow, std::move(rows), from, watermark_ns);
    auto batch = api::DecodeSpans(record.payload);
    api::SpanTable table;
    table.AddProcess(9, "host", "shop", "/bin/shop", 1);
    api::RowCopier copier(batch->spans.spans(), table);
    for (uint32_t i = 0; i < batch->spans.spans().n; ++i) copier.Copy(i);
    record.payload = api::EncodeSpans(table, from, watermark_ns, input_ns);
    partition_->Consume(record);
  };
  late(0, {{1, 10}, {1, 11, 10}}, 0, 5 * kSecond, 4 * kSecond);
  late(1, {{2, 20, 0, WEFT_FLAG_OPEN}}, 0, 6 * kSecond, 4 * kSecond);
  late(2, {}, 1, 6 * kSecond, 5 * kSecond);
  Tick(kNow + 90 * kSecond);
  EXPECT_TRUE(exported_.empty());
  late(3, {{1, 12, 10}}, 1, 6 * kSecond, 5 * kSecond + 1);
  late(4, {}, 0, 7 * kSecond, 6 * kSecond);
  Tick(kNow + 90 * kSecond);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 11, 12}));
  EXPECT_EQ(Count("trace.deadline"), 0u);
}

TEST_F(TracePartitionTest, ABacklogAgesNothing) {
  partition_->Consume(Spans(0, 0, {{1, 11, 10}}));
  partition_->Tick(3600 * kSecond, false);
  EXPECT_TRUE(partition_->TakeExports().empty());
}

TEST_F(TracePartitionTest, ClosesATraceOverItsSpanBudgetMarked) {
  config_.close.max_spans = 10;
  Make(0);
  std::vector<Row> rows;
  for (uint64_t i = 0; i < 11; ++i) rows.push_back({1, 100 + i, 1});
  partition_->Consume(Spans(0, 5, rows));
  Tick(5);
  EXPECT_EQ(ExportedSpans().size(), 11u);
  EXPECT_EQ(Count("trace.deadline"), 1u);
}

TEST_F(TracePartitionTest, ClosesTheOldestTracesWhenMemoryIsShort) {
  config_.max_bytes = 64 << 10;
  Make(0);
  for (uint64_t i = 0; i < 200; ++i) partition_->Consume(Spans(i, 5, {{i, 1000 + i, 1}}));
  Tick(5);
  EXPECT_LT(partition_->buffered_spans(), 200u);
  EXPECT_GT(partition_->buffered_spans(), 0u);
  EXPECT_TRUE(ExportedSpans().contains(1000));
  EXPECT_FALSE(ExportedSpans().contains(1199));
}

TEST_F(TracePartitionTest, ClosesTheOldestTracesWhenItsShareOfMemoryShrinks) {
  MemoryShare share;
  config_.max_bytes = 64 << 20;
  config_.share = &share;
  Make(0);
  for (uint64_t i = 0; i < 10'000; ++i) partition_->Consume(Spans(i, 5, {{i, 1000 + i, 1}}));
  Tick(5);
  ASSERT_GT(partition_->MemoryBytes(), 2 * MemoryShare::kLeastBytes);
  EXPECT_EQ(partition_->buffered_spans(), 10'000u);
  share.Set(0);
  Tick(6);
  EXPECT_LT(partition_->buffered_spans(), 10'000u);
  EXPECT_GT(partition_->buffered_spans(), 0u);
  EXPECT_TRUE(ExportedSpans().contains(1000));
}

TEST_F(TracePartitionTest, LateSpansFollowTheVerdictMarked) {
  samplers_ = {{"odd", &kDropOdd, nullptr}};
  Make(0);
  partition_->Consume(Spans(0, 100, {{1, 10}, {2, 20}}));
  Watermarks(1, 150, 140);
  Tick(150);
  exported_.clear();
  partition_->Consume(Spans(3, 160, {{1, 11, 10}, {2, 21, 20}}));
  Tick(160);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{21}));
  EXPECT_EQ(exported_[0]->spans.flags[0], WEFT_FLAG_LATE);
  EXPECT_EQ(Count("trace.late"), 2u);
  EXPECT_EQ(Count("trace.closed"), 2u) << "nothing is decided twice";
}

TEST_F(TracePartitionTest, ATakeOverExportsDecidedTracesThatWereNotDurable) {
  partition_->Consume(Spans(0, 100, {{1, 10}, {1, 11, 10}}));
  Watermarks(1, 150, 140);
  Tick(150);
  exported_.clear();
  samplers_ = {{"drop", &kDropAll, nullptr}};  // would decide otherwise
  since_ns_ = 200;
  Make(0);
  Restore();
  partition_->Consume(Spans(0, 100, {{1, 10}, {1, 11, 10}}));
  Watermarks(1, 150, 140);
  const Transaction t = Tick(201);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 11}));
  EXPECT_TRUE(exported_[0]->traces.flags[0] & WEFT_FLAG_RESUMED);
  EXPECT_TRUE(t.out.empty()) << "the verdict is in the log already";
}

TEST_F(TracePartitionTest, ATakeOverSkipsSpansThatTheLogShowsAsDurable) {
  partition_->Consume(Spans(0, 100, {{9, 90, 89}}));  // holds the offset
  partition_->Consume(Spans(1, 100, {{1, 10}}));
  Watermarks(2, 150, 140);
  Tick(150);
  partition_->Acknowledge(exported_[0]->number);
  EXPECT_FALSE(Tick(2 * kSecond).commit_offset);
  exported_.clear();
  since_ns_ = 3 * kSecond;
  Make(0);
  Restore();
  partition_->Consume(Spans(0, 100, {{9, 90, 89}}));
  partition_->Consume(Spans(1, 100, {{1, 10}}));
  partition_->Consume(Spans(4, 160, {{1, 11, 10}}));  // late, and not seen before the crash
  Tick(3 * kSecond);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{11}));
  EXPECT_EQ(Count("trace.skipped"), 1u);
}

TEST_F(TracePartitionTest, SendsAnUnreadableRecordToTheDeadAndGoesOn) {
  Record bad = Spans(0, 100, {{1, 10}});
  bad.payload = transport::CopyPayload("not a message at all....");
  partition_->Consume(bad);
  const Transaction t = Tick(100);
  ASSERT_EQ(t.out.size(), 2u);
  EXPECT_EQ(t.out[0].stream, Stream::kState);  // which remembers it
  EXPECT_EQ(t.out[1].stream, Stream::kDead);
  EXPECT_EQ(t.commit_offset, 1u);
  EXPECT_EQ(Count("trace.bad_records"), 1u);

  Make(0);
  const Record state{Stream::kState, 0, t.out[0].type, t.out[0].key, 0, 0, t.out[0].payload};
  ASSERT_TRUE(partition_->Restore(state));
  partition_->Consume(bad);  // read again
  EXPECT_EQ(Count("trace.bad_records"), 1u);
  EXPECT_EQ(Tick(100).out.size(), 0u);
}

TEST_F(TracePartitionTest, CloseAllDecidesWhatIsThere) {
  partition_->Consume(Spans(0, 100, {{1, 10}, {2, 21, 20}}));
  partition_->CloseAll();
  Tick(101);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 21}));
  EXPECT_EQ(Count("trace.deadline"), 1u) << "the trace without a root";
  partition_->Acknowledge(exported_[0]->number);
  EXPECT_TRUE(partition_->Idle());
}

TEST_F(TracePartitionTest, CarriesTruthAndAttributesToExporters) {
  truth_ = true;
  partition_->Consume(Spans(0, 100, {{1, 10}}));
  partition_->CloseAll();
  Tick(101);
  const weft_spans& s = exported_[0]->view.spans();
  ASSERT_NE(s.truth, nullptr);
  EXPECT_EQ(api::View(s.truth_strings[s.truth[0]]), "t");
  EXPECT_EQ(s.attr_offset[1], 1u);
}

TEST_F(TracePartitionTest, OldRowsSurviveTheirRecordsAndStayWhole) {
  for (uint64_t i = 0; i < 50; ++i) {
    std::vector<Row> rows;
    for (uint64_t k = 0; k < 40; ++k) rows.push_back({1000 + i * 40 + k, 10'000 + i * 40 + k});
    rows.push_back({1, 1 + i + 1, 1});  // one span each of a trace without its root
    partition_->Consume(Spans(i, 100, rows));
  }
  Watermarks(50, 150, 140);
  Tick(150);
  for (const auto& batch : exported_) partition_->Acknowledge(batch->number);
  const size_t before = partition_->buffered_bytes();
  Tick(5 * kSecond);
  EXPECT_EQ(partition_->buffered_spans(), 50u);
  EXPECT_LT(partition_->buffered_bytes(), before / 2);
  exported_.clear();
  partition_->Consume(Spans(60, 6 * kSecond, {{1, 1}}));
  Watermarks(61, 7 * kSecond, 7 * kSecond);
  Tick(7 * kSecond);
  ASSERT_EQ(exported_.size(), 1u);
  EXPECT_EQ(ExportedSpans().size(), 51u);
  const weft_spans& s = exported_[0]->view.spans();
  for (uint32_t i = 0; i < s.n; ++i)
    EXPECT_EQ(s.pairs->value[s.attr[s.attr_offset[i]]], s.span_id[i]);
  partition_->Acknowledge(exported_[0]->number);
  EXPECT_EQ(Tick(8 * kSecond).commit_offset, 63u);
}

TEST_F(TracePartitionTest, TheLedgerReconciles) {
  samplers_ = {{"odd", &kDropOdd, nullptr}};
  Make(0);
  partition_->Consume(
      Spans(0, 1, {{1, 10}, {2, 20}, {2, 20}, {3, 31, 30}, {4, 41, 40, WEFT_FLAG_OPEN}}));
  Watermarks(1, 150, 140);
  Tick(150);
  partition_->Consume(Spans(3, 160, {{1, 12, 10}, {2, 22, 20}}));
  Tick(170);
  EXPECT_EQ(Count("trace.spans"), Count("trace.kept") + Count("trace.sampled_out") +
                                      Count("trace.pending") + Count("trace.replaced") +
                                      Count("trace.skipped"));
  EXPECT_EQ(Count("trace.pending"), 1u);
  EXPECT_EQ(Count("trace.replaced"), 1u);
}

}  // namespace
}  // namespace weft::trace
