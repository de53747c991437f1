#include "sql/truth_score.h"

#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

// A span of the test: times in whole units, process and service by number.
TruthSpan Span(uint64_t id, uint64_t parent, bool server, int64_t process, const char* truth,
               int64_t begin, int64_t end, int64_t trace = 1) {
  TruthSpan s;
  s.trace = trace;
  s.span_id = id;
  s.parent_id = parent;
  s.server = server;
  s.process = process;
  s.service = "service-" + std::to_string(process);
  s.truth = truth;
  s.start_ns = begin;
  s.end_ns = end;
  return s;
}

// nginx (process 1) passes r1 on; process 2 makes the calls r1.1 and r1.2 to process 3.
std::vector<TruthSpan> Chain() {
  return {Span(1, 0, true, 1, "r1", 0, 100),  Span(2, 1, false, 1, "r1", 1, 99),
          Span(3, 2, true, 2, "r1", 2, 98),   Span(4, 3, false, 2, "r1.1", 3, 10),
          Span(5, 4, true, 3, "r1.1", 4, 9),  Span(6, 3, false, 2, "r1.2", 11, 20),
          Span(7, 6, true, 3, "r1.2", 12, 19)};
}

TEST(TruthScore, ARightChainThroughAProxyIsExact) {
  const TruthScore score = ScoreSpans(Chain(), {});
  EXPECT_EQ(score.spans, 7u);
  EXPECT_EQ(score.traces, 1u);
  EXPECT_EQ(score.trace_exact.right, 1u);
  EXPECT_EQ(score.total.span.of, 3u);
  EXPECT_EQ(score.total.span.right, 3u);
  EXPECT_EQ(score.total.cross_process.of, 3u);
  EXPECT_EQ(score.total.cross_process.right, 3u);
  EXPECT_EQ(score.services.at("service-2").span.of, 2u);
}

TEST(TruthScore, AWrongParentSpoilsItsTrace) {
  auto spans = Chain();
  spans[5].parent_id = 99;
  TruthScore score = ScoreSpans(spans, {});
  EXPECT_EQ(score.total.span.right, 2u);
  EXPECT_EQ(score.total.unlinked, 0u);
  EXPECT_EQ(score.trace_exact.right, 0u);
  spans[5].parent_id = 0;
  score = ScoreSpans(spans, {});
  EXPECT_EQ(score.total.unlinked, 1u);
}

TEST(TruthScore, AServerSpanBehindAProxyMustHangOnTheProxysCall) {
  auto spans = Chain();
  spans.push_back(Span(8, 0, false, 9, "r1", -1, 101));  // the load generator, traced as well
  spans[0].parent_id = 8;
  EXPECT_EQ(ScoreSpans(spans, {}).total.cross_process.right, 4u);
  spans[2].parent_id = 8;
  EXPECT_EQ(ScoreSpans(spans, {}).total.cross_process.right, 3u);
}

TEST(TruthScore, ARootThatWasGivenAParentIsWrong) {
  auto spans = Chain();
  spans[0].parent_id = 7;
  EXPECT_EQ(ScoreSpans(spans, {}).trace_exact.right, 0u);
}

TEST(TruthScore, ACallWhoseRequestWasNotSeenIsRightWithoutAParent) {
  const std::vector<TruthSpan> spans{Span(4, 0, false, 2, "r1.1", 3, 10)};
  EXPECT_EQ(ScoreSpans(spans, {}).total.span.right, 1u);
}

TEST(TruthScore, CallsAmongSeveralOpenRequestsAreAmbiguous) {
  auto spans = Chain();
  spans.push_back(Span(20, 0, true, 2, "", 10, 15));  // carries no truth, but was open
  const TruthScore score = ScoreSpans(spans, {});
  EXPECT_EQ(score.total.ambiguous.of, 1u);  // r1.2 at 11; r1.1 began at 3
  EXPECT_EQ(score.total.ambiguous.right, 1u);
}

TEST(TruthScore, ATraceThatIsSplitOrSharedIsNotExact) {
  auto split = Chain();
  split[6].trace = 2;
  EXPECT_EQ(ScoreSpans(split, {}).trace_exact.right, 0u);
  auto shared = Chain();
  shared.push_back(Span(30, 0, true, 1, "r2", 200, 300));
  const TruthScore score = ScoreSpans(shared, {});
  EXPECT_EQ(score.trace_exact.of, 2u);
  EXPECT_EQ(score.trace_exact.right, 0u);
}

TEST(TruthScore, OnlyTheRootsAskedForAreScored) {
  auto spans = Chain();
  spans.push_back(Span(30, 0, true, 1, "r2", 200, 300, 2));
  const TruthScore score = ScoreSpans(spans, {2, 2});
  EXPECT_EQ(score.spans, 1u);
  EXPECT_EQ(score.trace_exact.of, 1u);
}

TEST(TruthScore, ReadsTheStore) {
  const test::ShopStore store;
  const auto score = ScoreTruth(*StoreSet::Open({store.path()}), {});
  ASSERT_TRUE(score) << score.error().message;
  EXPECT_EQ(score->spans, 8u);
  EXPECT_EQ(score->trace_exact.of, 2u);
  EXPECT_EQ(score->trace_exact.right, 2u);
  EXPECT_EQ(score->total.span.Value(), 1.0);
}

TEST(TruthScore, SaysWhenThereIsNoTruth) {
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  batch.AddSpan(1, 0, WEFT_KIND_SERVER, "cart", "GET", 1, 2);
  const test::ShopStore store(batch);
  EXPECT_EQ(ScoreTruth(*StoreSet::Open({store.path()}), {}).error().code, Code::kNotFound);
}

}  // namespace
}  // namespace weft::sql
