#include "engine/stitch/link_join.h"

#include <gtest/gtest.h>

#include "engine/api/ids.h"
#include "engine/base/clock.h"

namespace weft::stitch {
namespace {

constexpr int64_t kHorizon = 60 * kSecond;
constexpr int64_t kStart = 1'700'000'000 * kSecond;

class LinkJoinTest : public ::testing::Test {
 protected:
  void Add(api::LinkWhat what, uint64_t wire, uint64_t span, uint64_t trace, int64_t at) {
    api::LinkBatch b;
    b.what = {static_cast<uint8_t>(what)};
    b.wire_id = {wire};
    b.span_id = {span};
    b.trace_hi = {trace};
    b.trace_lo = {trace};
    b.partition = {1};
    b.flags = {0};
    b.watermark_ns = INT64_MIN;
    answers.clear();
    join.Consume(b, at, &answers);
  }
  void Exists(uint64_t wire, uint64_t span, uint64_t trace, int64_t at = kStart) {
    Add(api::LinkWhat::kExists, wire, span, trace, at);
  }
  void Want(uint64_t wire, int64_t at = kStart) { Add(api::LinkWhat::kWant, wire, 99, 0, at); }
  void SettleUntil(int64_t from, int64_t to) {
    for (int64_t now = from; now <= to; now += 50 * kMillisecond) join.Settle(now, &answers);
  }

  Metrics metrics;
  LinkJoin join{2, kHorizon, metrics};
  std::vector<LinkAnswer> answers;
};

TEST_F(LinkJoinTest, AnswersWithTheIdThatFollowsFromTheWireId) {
  Exists(7, api::SpanId(7, api::Side::kClient), 5);
  Want(7);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, api::SpanId(7, api::Side::kClient));
  EXPECT_EQ(answers[0].trace_lo, 5u);
}

TEST_F(LinkJoinTest, AnswersWithTheIdThatAnSdkGave) {
  Exists(7, 4711, 5);
  Want(7);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 4711u);
}

TEST_F(LinkJoinTest, AnswersARepeatedWantForAsLongAsTheHorizon) {
  Exists(7, 4711, 5);
  SettleUntil(kStart, kStart + kHorizon);
  Want(7, kStart + kHorizon);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 4711u);
}

TEST_F(LinkJoinTest, ForgetsWhatIsOlderThanTheHorizon) {
  for (uint64_t wire = 0; wire < 1000; ++wire) Exists(wire, wire % 2 ? 4711 : 0, 5);
  Want(1000);
  ASSERT_EQ(join.size(), 1001u);
  ASSERT_EQ(join.waiting(), 1u);
  SettleUntil(kStart, kStart + kHorizon + kHorizon / 4);
  EXPECT_EQ(join.size(), 0u);
  EXPECT_EQ(join.waiting(), 0u);
}

TEST_F(LinkJoinTest, ForgetsWhatHasBeenAnsweredSoonerThanWhatNobodyAskedFor) {
  for (uint64_t wire = 0; wire < 1000; ++wire) {
    Exists(wire, 4711, 5);
    if (wire % 10 != 0) Want(wire);
  }
  SettleUntil(kStart, kStart + 3 * kSecond);
  EXPECT_EQ(join.size(), 1000u);
  Want(11, kStart + 3 * kSecond);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 4711u);
  SettleUntil(kStart + 3 * kSecond, kStart + 12 * kSecond);
  EXPECT_EQ(join.size(), 100u);
}

TEST_F(LinkJoinTest, KeepsWhatWasUsedSince) {
  Exists(7, 4711, 5);
  Exists(7, 4711, 5, kStart + kHorizon / 2);
  Exists(8, 4711, 5);
  SettleUntil(kStart, kStart + kHorizon + kHorizon / 4);
  EXPECT_EQ(join.size(), 1u);
}

TEST_F(LinkJoinTest, CountsAWantFromAPartitionThatIsNotThere) {
  api::LinkBatch b;
  b.what = {static_cast<uint8_t>(api::LinkWhat::kWant)};
  b.wire_id = {7};
  b.span_id = {1};
  b.trace_hi = b.trace_lo = {0};
  b.partition = {2};
  b.flags = {0};
  join.Consume(b, kStart, &answers);
  EXPECT_EQ(metrics.Get("stitch.foreign_wants").Get(), 1u);
  EXPECT_EQ(join.waiting(), 0u);
}

}  // namespace
}  // namespace weft::stitch
