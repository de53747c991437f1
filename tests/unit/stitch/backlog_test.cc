// What stage 1 makes of a log that nobody read for a while.
#include <gtest/gtest.h>

#include "tests/support/stitch_harness.h"

namespace weft::testing {
namespace {

constexpr uint64_t kTalker = 1, kOther = 2;

stitch::StitchConfig OnePartition() {
  stitch::StitchConfig config;
  config.partitions = 1;
  return config;
}

class BacklogTest : public ::testing::Test {
 protected:
  // Seconds of the log in which `agents` speak and no engine reads.
  void Unread(int seconds, std::vector<uint64_t> agents) {
    for (int i = 0; i < seconds; ++i) {
      h.clock.Advance(kSecond);
      for (const uint64_t agent : agents) h.Publish({}, h.clock.MonotonicNs(), agent);
    }
  }

  StitchHarness h{OnePartition()};
};

TEST_F(BacklogTest, WhoFellSilentInItIsLostThereAlthoughItSpokeAgainLater) {
  Observation open;
  open.wire = 7;
  open.start = h.clock.MonotonicNs();
  h.Publish({open}, h.clock.MonotonicNs(), kOther);
  Unread(30, {kTalker});
  Unread(1, {kTalker, kOther});
  h.Run();
  EXPECT_EQ(h.Count("stitch.agents_lost"), 1u);
  Unread(2, {kTalker, kOther});
  h.Run();
  ASSERT_TRUE(h.Has(api::SpanId(7, api::Side::kServer)));
  EXPECT_TRUE(h.Server(7).flags & WEFT_FLAG_AGENT_LOST);
}

TEST_F(BacklogTest, WhereNobodySpokeTheLogWasCutOffAndNoAgentIsLost) {
  Unread(1, {kTalker, kOther});
  h.clock.Advance(60 * kSecond);
  Unread(5, {kTalker});
  Unread(1, {kTalker, kOther});
  h.Run();
  EXPECT_EQ(h.Count("stitch.agents_lost"), 0u);
}

TEST_F(BacklogTest, AnAgentThatTheOwnerBeforeHadHeardHoldsTheWatermarkOfTheNext) {
  Unread(1, {kTalker, kOther});
  h.Run();
  h.Advance(kSecond);
  const int64_t before = h.SpansWatermark();
  h.TakeOver(0);
  Unread(8, {kTalker});
  h.Run();
  EXPECT_EQ(h.SpansWatermark(), before);
  Unread(8, {kTalker});
  h.Run();
  EXPECT_EQ(h.Count("stitch.agents_lost"), 1u);
  EXPECT_GT(h.SpansWatermark(), before + 10 * kSecond);
}

// A root is one when everybody has read so far, not when the clock says so; nor does anything
// expire while an hour is read at once.
TEST_F(BacklogTest, NoDeadlinePassesWhileItIsRead) {
  Observation request;
  for (uint64_t wire = 1; wire <= 600; ++wire) {
    request.wire = wire;
    request.start = h.clock.MonotonicNs();
    request.end = request.start + kMillisecond;
    h.Publish({request}, h.clock.MonotonicNs());
    Unread(6, {kTalker});
  }
  h.Run();
  h.Beat();
  EXPECT_EQ(h.Count("stitch.answer_deadline"), 0u);
  EXPECT_EQ(h.Count("stitch.roots"), 600u);
  EXPECT_EQ(h.spans().size(), 600u);
}

// Rows take many times what their records do. A partition that nobody has heard of has read
// nothing.
TEST(StitchBound, CountsTheRowsOfWhatWasReadSinceTheLastLook) {
  stitch::StitchConfig config;
  config.partitions = 2;
  config.max_bytes = 64 << 10;
  StitchHarness h(config);
  std::vector<Observation> open(1'000);
  for (uint64_t wire = 1; wire <= open.size(); ++wire) {
    open[wire - 1].wire = wire;
    open[wire - 1].start = h.clock.MonotonicNs();
  }
  EXPECT_TRUE(h.WantsInput(0));
  h.Publish(open, h.clock.MonotonicNs());
  ASSERT_LT(h.transport->AdmittedBytes(), config.max_bytes);
  h.Step(0);
  EXPECT_FALSE(h.WantsInput(0));
}

}  // namespace
}  // namespace weft::testing
