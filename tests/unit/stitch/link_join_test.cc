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
  // As if read live, where `input` is not given.
  void Add(api::LinkWhat what, uint64_t wire, uint64_t span, uint64_t trace, int64_t at,
           int64_t input = 0) {
    api::LinkBatch b;
    b.what = {static_cast<uint8_t>(what)};
    b.wire_id = {wire};
    b.span_id = {span};
    b.trace_hi = {trace};
    b.trace_lo = {trace};
    b.partition = {1};
    b.flags = {0};
    b.watermark_ns = INT64_MIN;
    b.input_ns = input;
    answers.clear();
    join.Consume(b, at, &answers);
  }
  void Exists(uint64_t wire, uint64_t span, uint64_t trace, int64_t at = kStart) {
    Add(api::LinkWhat::kExists, wire, span, trace, at);
  }
  void Want(uint64_t wire, int64_t at = kStart) { Add(api::LinkWhat::kWant, wire, 99, 0, at); }
  void Watermark(uint32_t from, int64_t watermark, int64_t at, int64_t silent = 0) {
    api::LinkBatch b;
    b.silent_ns = silent;
    b.from_partition = from;
    b.watermark_ns = watermark;
    join.Consume(b, at, &answers);
  }
  void Reads(uint32_t from, int64_t input, int64_t at) {
    api::LinkBatch b;
    b.from_partition = from;
    b.watermark_ns = INT64_MIN;
    b.input_ns = input;
    join.Consume(b, at, &answers);
  }
  // All partitions read live, or the second one `behind`.
  void SettleUntil(int64_t from, int64_t to, int64_t behind = 0) {
    for (int64_t now = from; now <= to; now += 50 * kMillisecond) {
      Watermark(0, now - 300 * kMillisecond, now);
      Watermark(1, now - 300 * kMillisecond - behind, now);
      join.Settle(now, &answers);
    }
  }

  Metrics metrics;
  LinkJoin join{2, kHorizon, metrics};
  std::vector<LinkAnswer> answers;
};

TEST_F(LinkJoinTest, SaysOfARootThatAnAgentWhichFellSilentMayHaveItsParent) {
  Want(7, kStart);
  Want(8, kStart + kSecond);
  answers.clear();
  Watermark(0, kStart + 2 * kSecond, kStart + 3 * kSecond);
  Watermark(1, kStart + 2 * kSecond, kStart + 3 * kSecond, 1500 * kMillisecond);
  join.Settle(kStart + 3 * kSecond, &answers);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].flags & api::kLinkSilent, 0u);
  EXPECT_EQ(answers[1].flags & api::kLinkSilent, api::kLinkSilent);
  Want(8, kStart + 4 * kSecond);  // by a new owner of the asker
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].flags & api::kLinkSilent, api::kLinkSilent);
  Exists(8, 0, 5, kStart + 5 * kSecond);  // it is back
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].flags & api::kLinkSilent, 0u);
}

TEST_F(LinkJoinTest, LeavesOutAnIdThatFollowsFromTheWireId) {
  Exists(7, 0, 5);
  Want(7);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 0u);
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

TEST_F(LinkJoinTest, AWantIsARootWhenAllHaveReadWhatTheAskerHadReadHoweverLateItWasAppended) {
  const int64_t appended = kStart + 3600 * kSecond;
  Add(api::LinkWhat::kWant, 7, 99, 0, appended, kStart);
  Watermark(0, kStart + kSecond, appended);
  Watermark(1, kStart - 1, appended);
  join.Settle(appended, &answers);
  EXPECT_TRUE(answers.empty());
  Watermark(1, kStart, appended);
  join.Settle(appended, &answers);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 0u);
}

TEST_F(LinkJoinTest, OfABacklogTheSlowestPartitionDecidesNotTheOrderOfArrival) {
  Add(api::LinkWhat::kWant, 7, 99, 0, kStart, kStart);
  Add(api::LinkWhat::kWant, 8, 99, 0, kStart, kStart - 3600 * kSecond);  // of the other sender
  Watermark(0, kStart - 1800 * kSecond, kStart);
  Watermark(1, kStart - 1800 * kSecond, kStart);
  join.Settle(kStart, &answers);
  EXPECT_TRUE(answers.empty()) << "one sender never goes back";
  api::LinkBatch b;
  b.what = {static_cast<uint8_t>(api::LinkWhat::kWant)};
  b.wire_id = {9};
  b.span_id = {1};
  b.trace_hi = b.trace_lo = {0};
  b.partition = {1};
  b.flags = {0};
  b.from_partition = 1;
  b.input_ns = kStart - 3600 * kSecond;
  b.watermark_ns = INT64_MIN;
  join.Consume(b, kStart, &answers);
  join.Settle(kStart, &answers);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].wire_id, 9u);
}

TEST_F(LinkJoinTest, RemembersACallForAPartitionThatIsFarBehind) {
  Exists(7, 4711, 5);
  SettleUntil(kStart, kStart + 5 * kHorizon, 5 * kHorizon);
  Add(api::LinkWhat::kWant, 7, 99, 0, kStart + 5 * kHorizon, kStart);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 4711u);
  SettleUntil(kStart + 5 * kHorizon, kStart + 5 * kHorizon + 10 * kSecond, 5 * kHorizon);
  EXPECT_EQ(join.size(), 0u);
}

TEST_F(LinkJoinTest, BehindABacklogAnAnswerStillHasTheTimeThatItTakes) {
  Exists(7, 0, 0);  // its trace is not known yet
  Want(7);
  // Everybody reads an hour in a second.
  for (int64_t now = kStart; now < kStart + kSecond; now += 50 * kMillisecond) {
    for (uint32_t p : {0u, 1u}) Watermark(p, kStart + 3600 * (now - kStart), now);
    join.Settle(now, &answers);
  }
  Exists(7, 4711, 5, kStart + kSecond);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].span_id, 4711u);
}

TEST_F(LinkJoinTest, ForgetsTheOldestBeyondItsBoundAndCountsThem) {
  LinkJoin small(2, kHorizon, metrics, 100);
  for (int64_t wire = 0; wire < 1000; ++wire) {
    api::LinkBatch b;
    b.what = {static_cast<uint8_t>(api::LinkWhat::kExists)};
    b.wire_id = {static_cast<uint64_t>(wire)};
    b.span_id = b.trace_hi = b.trace_lo = {1};
    b.partition = b.flags = {0};
    b.watermark_ns = INT64_MIN;
    small.Consume(b, kStart + wire * kSecond, &answers);
    small.Settle(kStart + wire * kSecond, &answers);
  }
  for (int64_t now = 1000; now < 40'000; ++now) small.Settle(kStart + now * kSecond, &answers);
  EXPECT_LE(small.size(), 100u);
  EXPECT_EQ(metrics.Get("stitch.links_forgotten").Get(), 1000u - small.size());
}

TEST_F(LinkJoinTest, KnowsThatTheNewOwnerOfAPartitionHasReadLess) {
  const auto read = [&](int64_t input) {
    Reads(1, input, kStart);
    return join.OthersRead(0);
  };
  EXPECT_EQ(join.OthersRead(0), INT64_MIN);
  EXPECT_EQ(read(kStart), kStart);
  EXPECT_EQ(read(0), kStart) << "a new owner who has not read anything yet";
  EXPECT_EQ(read(kStart - 60 * kSecond), kStart - 60 * kSecond);
  EXPECT_EQ(read(kStart + kSecond), kStart + kSecond);
}

// One that waits for others answers meanwhile, and must find what it will ask for when it reads on.
TEST_F(LinkJoinTest, OnlyTimeInWhichAllReadOnCounts) {
  int64_t now = kStart;
  const auto pass = [&](int64_t ns, bool reads_on) {
    for (const int64_t end = now + ns; now < end; now += 50 * kMillisecond) {
      Reads(0, now, now);
      Reads(1, reads_on ? now : kStart, now);
      join.Settle(now, &answers);
    }
  };
  Watermark(0, kStart, kStart);
  Watermark(1, kStart, kStart);
  pass(10 * kSecond, false);
  EXPECT_EQ(join.WatermarkBefore(5 * kSecond), INT64_MIN);
  pass(6 * kSecond, true);
  EXPECT_EQ(join.WatermarkBefore(5 * kSecond), kStart);
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
