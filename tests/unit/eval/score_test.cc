#include "engine/eval/score.h"

#include <gtest/gtest.h>

#include "engine/eval/baselines.h"
#include "tests/unit/eval/known_shop.h"

namespace weft::eval {
namespace {

// Two requests, the second inside the first's time, with a call each.
struct TwoAtOnce : KnownShop {
  int32_t first = Request(0, 100), second = Request(10, 90);
  int32_t of_second = Call(second, 20, 30), of_first = Call(first, 95, 99);
};

TEST(Score, CountsSpansAmbiguousOnesAndWholeTraces) {
  TwoAtOnce shop;
  const auto ambiguous = Ambiguous(shop.known());
  EXPECT_TRUE(ambiguous[static_cast<size_t>(shop.of_second)]);
  EXPECT_FALSE(ambiguous[static_cast<size_t>(shop.of_first)]);
  Parents parents(4, -1);
  parents[static_cast<size_t>(shop.of_second)] = shop.first;
  parents[static_cast<size_t>(shop.of_first)] = shop.first;
  const Score score = Evaluate(shop.known(), ambiguous, parents);
  EXPECT_EQ(score.spans, 2u);
  EXPECT_EQ(score.ambiguous, 1u);
  EXPECT_DOUBLE_EQ(score.span_accuracy, 0.5);
  EXPECT_DOUBLE_EQ(score.ambiguous_accuracy, 0);
  EXPECT_DOUBLE_EQ(score.trace_exact, 0.5);
  EXPECT_DOUBLE_EQ(score.unlinked, 0);
}

TEST(Score, AnOrphanIsRightWhereItStaysUnlinked) {
  TwoAtOnce shop;
  shop.Of(shop.of_second).parent = -1;
  shop.Of(shop.of_second).orphan = true;
  Parents parents(4, -1);
  parents[static_cast<size_t>(shop.of_first)] = shop.first;
  const Score score = Evaluate(shop.known(), Ambiguous(shop.known()), parents);
  EXPECT_EQ(score.orphans, 1u);
  EXPECT_DOUBLE_EQ(score.orphans_unlinked, 1);
  EXPECT_DOUBLE_EQ(score.span_accuracy, 1);
  EXPECT_DOUBLE_EQ(score.unlinked, 0.5);
}

TEST(Score, ACallOfWhichNobodyKnowsTheRequestIsNotScored) {
  TwoAtOnce shop;
  shop.Of(shop.of_second).parent = -1;
  EXPECT_EQ(Evaluate(shop.known(), Ambiguous(shop.known()), Parents(4, -1)).spans, 1u);
}

TEST(Score, CalibrationIsTheDistanceOfConfidenceAndTruth) {
  TwoAtOnce shop;
  Parents parents(4, -1);
  parents[static_cast<size_t>(shop.of_second)] = shop.first;  // wrong
  parents[static_cast<size_t>(shop.of_first)] = shop.first;
  const std::vector<float> confidence(4, 0.75F);
  const Reliability found = Calibration(shop.known(), parents, confidence);
  EXPECT_EQ(found.bins[7].calls, 2u);
  EXPECT_DOUBLE_EQ(found.bins[7].accuracy, 0.5);
  EXPECT_NEAR(found.ece, 0.25, 1e-6);
}

TEST(Baselines, AnswerAsTheirNamesSay) {
  TwoAtOnce shop;
  const auto of = [&](const Parents& parents, int32_t call) {
    return parents[static_cast<size_t>(call)];
  };
  EXPECT_EQ(of(LatestOpen(shop.known()), shop.of_second), shop.second);
  EXPECT_EQ(of(LatestOpen(shop.known()), shop.of_first), shop.first);
  EXPECT_EQ(of(FirstComeFirstServed(shop.known()), shop.of_second), shop.first);
  EXPECT_EQ(of(FirstComeFirstServed(shop.known()), shop.of_first), shop.second);
  EXPECT_EQ(of(NestedFifo(shop.known()), shop.of_second), shop.first);
  EXPECT_EQ(of(NestedFifo(shop.known()), shop.of_first), -1);
}

}  // namespace
}  // namespace weft::eval
