#include "engine/stitch/agent_table.h"

#include <gtest/gtest.h>

#include "engine/base/clock.h"

namespace weft::stitch {
namespace {

constexpr int64_t kGrace = 200 * kMillisecond;
constexpr int64_t kClocksApart = 5'000 * kSecond;  // the log's clock runs ahead of the agent's

api::EventHeader BatchSealedAt(int64_t now_ns, int64_t lag_ns) {
  api::EventHeader header;
  header.agent_id = 7;
  header.now_ns = now_ns;
  header.watermark_ns = now_ns - lag_ns;
  return header;
}

class AgentTableTest : public ::testing::Test {
 protected:
  void Arrive(const api::EventHeader& header, int64_t delay_ns) {
    Agent& agent = agents[agents.FindOrAdd(header)];
    const int64_t append = header.now_ns + kClocksApart + delay_ns;
    AgentTable::NoteOffset(agent, header, append);
    agents.NoteBatch(agent, header, append, kGrace);
  }
  AgentTable agents;
};

TEST_F(AgentTableTest, ABatchThatWasDelayedClaimsNoMoreThanOneThatWentThrough) {
  Arrive(BatchSealedAt(10 * kSecond, 100 * kMillisecond), 0);
  // Three seconds on its way, far more than the grace: what began meanwhile is not published.
  const api::EventHeader late = BatchSealedAt(11 * kSecond, 100 * kMillisecond);
  Arrive(late, 3 * kSecond);
  EXPECT_EQ(agents.LogWatermark(0), late.watermark_ns + kClocksApart - kGrace);
}

TEST_F(AgentTableTest, BelievesAHostThatWasSuspendedAgainAfterTwoMinutes) {
  Arrive(BatchSealedAt(10 * kSecond, 0), 0);
  const int64_t suspended = 3'600 * kSecond;  // the host's monotonic clock stood still
  for (int64_t s = 11; s <= 140; s += 10) Arrive(BatchSealedAt(s * kSecond, 0), suspended);
  EXPECT_EQ(agents.LogWatermark(0), 131 * kSecond + kClocksApart + suspended - kGrace);
}

TEST_F(AgentTableTest, ARepeatOfAnyLengthIsKnownAndWhatComesLateIsNot) {
  Agent& agent = agents[agents.FindOrAdd(BatchSealedAt(0, 0))];
  uint64_t gap = 0;
  const auto read = [&](uint64_t n) { return AgentTable::NoteSequence(agent, n, nullptr, &gap); };
  for (uint64_t n = 1; n < 200; ++n) EXPECT_TRUE(read(n));
  EXPECT_TRUE(read(300));
  EXPECT_EQ(gap, 100u);
  for (uint64_t n = 301; n < 2000; ++n) EXPECT_TRUE(read(n));
  for (uint64_t n = 1; n < 2000; ++n) EXPECT_EQ(read(n), n >= 200 && n < 300) << n;
  EXPECT_TRUE(read(2000));
  EXPECT_EQ(gap, 0u);
}

class TakeOverTest : public ::testing::Test {
 protected:
  TakeOverTest() {
    for (uint64_t n = 1; n < 120; ++n)
      if (n != 50) settled.Add(n);
  }
  bool Read(uint64_t n) { return AgentTable::NoteSequence(agent, n, &settled, &gap); }

  api::SequenceSet settled;
  Agent agent;
  uint64_t gap = 0;
};

TEST_F(TakeOverTest, WhatIsNotSettledIsNoRepeatInWhateverOrder) {
  EXPECT_TRUE(Read(130));
  EXPECT_EQ(gap, 0u) << "where reading begins nothing is missing yet";
  for (uint64_t n = 1; n < 135; ++n) EXPECT_EQ(Read(n), n != 130 && (n == 50 || n >= 120)) << n;
  for (uint64_t n = 1; n < 135; ++n) EXPECT_FALSE(Read(n)) << n;
}

TEST_F(TakeOverTest, WhatIsMissingBehindAllThatIsSettledIsAGap) {
  EXPECT_TRUE(Read(50));
  EXPECT_TRUE(Read(120));
  EXPECT_EQ(gap, 0u);
  EXPECT_TRUE(Read(123));
  EXPECT_EQ(gap, 2u);
}

TEST_F(TakeOverTest, ARepeatThatIsTheFirstOneReadSaysNothingAboutWhatFollows) {
  EXPECT_FALSE(Read(90));
  EXPECT_TRUE(Read(50));
  EXPECT_TRUE(Read(120));
  EXPECT_EQ(gap, 0u);
}

}  // namespace
}  // namespace weft::stitch
