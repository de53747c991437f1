#include "plugins/correlator-delay/thread_continuity.h"

#include <gtest/gtest.h>

namespace weft::plugins::delay {
namespace {

constexpr uint16_t kCall = 3;

Place Input(uint32_t thread, int64_t at, int64_t run_began, uint16_t position) {
  return {at, run_began, 0, thread, position, position, false};
}
Place Output(uint32_t thread, int64_t at, int64_t run_began, uint16_t position, uint16_t inputs) {
  return {at, run_began, 0, thread, position, inputs, true};
}

TEST(ThreadContinuity, TellsWhereARequestStandsInItsThreadsStream) {
  const Place first = Input(7, 100, 100, 0), second = Input(7, 110, 100, 1);
  const Place output = Output(7, 120, 100, 0, 2);
  EXPECT_EQ(RelationOf(first, output), Relation::kNext);
  EXPECT_EQ(RelationOf(second, output), Relation::kLatest);
  EXPECT_EQ(RelationOf(first, Output(7, 130, 100, 1, 2)), Relation::kEarlier);
  EXPECT_EQ(RelationOf(first, Output(7, 120, 100, 0, 1)), Relation::kOnly);
  EXPECT_EQ(RelationOf(first, Output(7, 220, 200, 0, 1)), Relation::kOlder);
  EXPECT_EQ(RelationOf(first, Output(8, 120, 100, 0, 1)), Relation::kElsewhere);
}

TEST(ThreadContinuity, AThreadThatIsNotKnownSaysNothing) {
  const Place output = Output(7, 120, 100, 0, 1);
  EXPECT_EQ(RelationOf(Input(0, 100, 100, 0), output), Relation::kUnknown);
  EXPECT_EQ(RelationOf(Input(7, 100, 100, 0), Output(0, 120, 100, 0, 1)), Relation::kUnknown);
  EXPECT_EQ(ThreadContinuity().LogRatio(kCall, Stand{}), 0);
}

TEST(ThreadContinuity, SaysNothingBeforeItHasSeenContestedOutputs) {
  EXPECT_EQ(ThreadContinuity().LogRatio(kCall, {1, 50, Relation::kOnly, Turn::kAlone}), 0);
}

TEST(ThreadContinuity, BelievesARelationAsFarAsItHasSetOwnersApart) {
  ThreadContinuity continuity;
  const Stand owner{1, 50, Relation::kOnly, Turn::kAlone};
  const Stand other{1, 50, Relation::kOlder, Turn::kAlone};
  for (int i = 0; i < 1000; ++i) {
    continuity.Observe(kCall, owner, true);
    continuity.Observe(kCall, other, false);
  }
  EXPECT_GT(continuity.LogRatio(kCall, owner), 2.0f);
  EXPECT_LT(continuity.LogRatio(kCall, other), -2.0f);
}

TEST(ThreadContinuity, LearnsWhichThreadAThreadHandsItsJobsTo) {
  ThreadContinuity continuity;
  const auto stand = [](uint32_t from, uint32_t to) {
    return Stand{1, 5000, Relation::kElsewhere, Turn::kAlone, from, to};
  };
  for (uint32_t i = 0; i < 800; ++i) {
    continuity.Observe(kCall, stand(i % 8, (i + 1) % 8), true);
    continuity.Observe(kCall, stand(i % 8, i / 8 % 8), false);
  }
  EXPECT_GT(continuity.LogRatio(kCall, stand(3, 4)), 1.5f);
  EXPECT_LT(continuity.LogRatio(kCall, stand(3, 5)), -1.5f);
}

TEST(ThreadContinuity, SaysNothingWhereOwnersStandLikeTheOthers) {
  ThreadContinuity continuity;
  const Stand stand{1, 5000, Relation::kOlder, Turn::kAlone};
  for (int i = 0; i < 1000; ++i) {
    continuity.Observe(kCall, stand, true);
    continuity.Observe(kCall, stand, false);
  }
  EXPECT_NEAR(continuity.LogRatio(kCall, stand), 0, 0.1);
}

}  // namespace
}  // namespace weft::plugins::delay
