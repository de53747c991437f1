// Spans of others in stage 2: what waits for them, and which row of a call is kept.
#include <algorithm>

#include "engine/api/ledger_record.h"
#include "tests/unit/trace/trace_partition_fixture.h"

namespace weft::trace {
namespace {

using transport::Stream;
using transport::Transaction;
using ReportedSpansTest = TracePartitionTest;

TEST_F(ReportedSpansTest, WaitsForReportedSpansAfterTheRoot) {
  config_.close.wait_ns = 5 * kSecond;
  Make(0);
  partition_->Consume(Spans(0, 0, {{1, 10}}));
  Watermarks(1, 4 * kSecond, 4 * kSecond);
  Tick(4 * kSecond);
  EXPECT_TRUE(exported_.empty());
  partition_->Consume(Spans(3, 4 * kSecond, {{1, 11, 10, WEFT_FLAG_REPORTED}}));
  Watermarks(4, 6 * kSecond, 6 * kSecond);
  Tick(6 * kSecond);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 11}));
  EXPECT_EQ(Count("trace.late"), 0u);
}

TEST_F(ReportedSpansTest, ReportedSpansWithoutARootWaitAfterTheLastOfThem) {
  config_.close.wait_ns = 5 * kSecond;
  Make(0);
  partition_->Consume(Spans(0, 0, {{1, 11, 10, WEFT_FLAG_REPORTED}}));
  partition_->Consume(Spans(1, 3 * kSecond, {{1, 12, 10, WEFT_FLAG_REPORTED}}));
  Watermarks(2, 7 * kSecond, 7 * kSecond);
  Tick(7 * kSecond);
  EXPECT_TRUE(exported_.empty());
  Watermarks(4, 9 * kSecond, 9 * kSecond);
  Tick(9 * kSecond);
  EXPECT_EQ(ExportedSpans(), (std::multiset<uint64_t>{11, 12}));
  EXPECT_EQ(Count("trace.deadline"), 0u);
}

TEST_F(ReportedSpansTest, AReportedSpanAfterTheWaitFollowsTheVerdictMarked) {
  config_.close.wait_ns = 5 * kSecond;
  Make(0);
  partition_->Consume(Spans(0, 0, {{1, 10}}));
  Watermarks(1, 6 * kSecond, 6 * kSecond);
  Tick(6 * kSecond);
  partition_->Consume(Spans(3, 7 * kSecond, {{1, 11, 10, WEFT_FLAG_REPORTED}}));
  Tick(7 * kSecond);
  ASSERT_EQ(exported_.size(), 2u);
  EXPECT_EQ(exported_[1]->spans.flags[0], WEFT_FLAG_REPORTED | WEFT_FLAG_LATE);
}

TEST_F(ReportedSpansTest, OfACallThatItsProgramReportedTheProgramsRowWins) {
  // Ours ended, ours still open, and one that nobody reported; both orders of arrival.
  for (const bool reported_first : {false, true}) {
    SCOPED_TRACE(reported_first);
    exported_.clear();
    Make(0);
    const uint64_t replaced = Count("trace.replaced");
    const std::vector<Row> ours = {
        {1, 10, 0, 0, 71}, {1, 11, 10, 0, 72}, {1, 12, 10, WEFT_FLAG_OPEN, 73}, {1, 13, 10, 0, 74}};
    const std::vector<Row> theirs = {{1, 11, 10, WEFT_FLAG_REPORTED},
                                     {1, 12, 10, WEFT_FLAG_REPORTED}};
    partition_->Consume(Spans(0, 1, reported_first ? theirs : ours));
    partition_->Consume(Spans(1, 2, reported_first ? ours : theirs));
    Watermarks(2, 11 * kSecond, 11 * kSecond);
    Tick(11 * kSecond);  // what ours shows as open after theirs came may take its grace

    ASSERT_EQ(exported_.size(), 1u);
    const api::SpanTable& spans = exported_[0]->spans;
    ASSERT_EQ(ExportedSpans(), (std::multiset<uint64_t>{10, 11, 12, 13}));
    for (uint32_t i = 0; i < spans.n(); ++i)
      EXPECT_EQ(spans.flags[i], spans.span_id[i] == 11 || spans.span_id[i] == 12
                                    ? uint32_t{WEFT_FLAG_REPORTED}
                                    : 0u);
    EXPECT_EQ(Count("trace.replaced") - replaced, 1u);
    partition_->Acknowledge(exported_[0]->number, true);
    const Transaction t = Tick(12 * kSecond);
    const auto ledger = std::ranges::find(t.out, Stream::kState, &transport::OutRecord::stream);
    ASSERT_NE(ledger, t.out.end());
    const auto counts = api::DecodeStageLedger(ledger->payload).value();
    EXPECT_EQ(counts.Count("stored"), 4u);
    EXPECT_EQ(counts.Count("replaced"), 1u);
  }
}

}  // namespace
}  // namespace weft::trace
