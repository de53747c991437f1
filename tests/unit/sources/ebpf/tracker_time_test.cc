// What the tracker does as time goes by: announcements, watermarks, closes, forgetting.
#include <gtest/gtest.h>

#include "tests/unit/sources/ebpf/tracker_fixture.h"

namespace weft::ebpf {
namespace {

TEST_F(ExchangeTrackerTest, AnnouncesARequestThatWaitsLongAndClosesItUnderTheSameKey) {
  Feed(server_.Receive(kRequest, kStart));
  tracker_.Sweep(kStart + kSecond / 2);
  EXPECT_TRUE(Rows().empty());
  tracker_.Sweep(kStart + kSecond);
  tracker_.Sweep(kStart + 2 * kSecond);
  auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_OPEN);
  EXPECT_EQ(rows[0].end_ns, 0);

  Feed(server_.Send(kResponse, kStart + 3 * kSecond));
  const auto all = Rows();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].exchange, all[1].exchange);
  EXPECT_EQ(all[0].span_id, all[1].span_id);
  EXPECT_FALSE(all[1].flags & WEFT_FLAG_OPEN);
}

TEST_F(ExchangeTrackerTest, HoldsTheWatermarkUntilARequestIsAnnounced) {
  EXPECT_EQ(tracker_.Watermark(kStart), kStart);
  Feed(server_.Receive(kRequest, kStart));
  EXPECT_EQ(tracker_.Watermark(kStart + 100), kStart);
  tracker_.Sweep(kStart + kSecond);
  EXPECT_EQ(tracker_.Watermark(kStart + kSecond), kStart + kSecond);
  Feed(server_.Send(kResponse, kStart + kSecond));
  EXPECT_EQ(tracker_.Watermark(kStart + 2 * kSecond), kStart + 2 * kSecond);
}

TEST_F(ExchangeTrackerTest, DoesNotLetAStalledHeadHoldTheWatermarkForEver) {
  Feed(server_.Receive("GET / HTT", kStart));
  EXPECT_LE(tracker_.Watermark(kStart + kSecond), kStart);
  EXPECT_EQ(tracker_.Watermark(kStart + 10 * kSecond), kStart + 10 * kSecond);
}

TEST_F(ExchangeTrackerTest, EndsARequestWhoseConnectionBreaks) {
  Feed(server_.Receive(kRequest, kStart));
  Close(server_, kStart + 5);
  tracker_.Sweep(kStart + 10);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_INCOMPLETE);
  EXPECT_FALSE(rows[0].flags & WEFT_FLAG_OPEN);
}

TEST_F(ExchangeTrackerTest, AppliesACloseAfterTheDataThatWasReadLater) {
  Feed(server_.Receive(kRequest, kStart));
  Close(server_, kStart + 5);
  Feed(server_.Send(kResponse, kStart + 4));
  tracker_.Sweep(kStart + 10);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].flags & WEFT_FLAG_INCOMPLETE);
}

TEST_F(ExchangeTrackerTest, ForgetsClosedAndIdleConnections) {
  Feed(server_.Receive(kRequest, kStart));
  Feed(server_.Send(kResponse, kStart + 1));
  Feed(client_.Send(kRequest, kStart));
  Feed(client_.Receive(kResponse, kStart + 1));
  Close(server_, kStart + 5);
  tracker_.Sweep(kStart + 10);
  EXPECT_EQ(tracker_.connections(), 2u);
  tracker_.Sweep(kStart + 3 * kSecond);
  EXPECT_EQ(tracker_.connections(), 1u);
  tracker_.Sweep(kStart + 400 * kSecond);
  EXPECT_EQ(tracker_.connections(), 0u);
}

TEST_F(ExchangeTrackerTest, EndsWhatIsOpenWhenTheAgentStops) {
  Feed(server_.Receive(kRequest, kStart));
  tracker_.Finish(kStart + 100);
  const auto rows = Rows();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_OPEN_AT_EXIT);
  EXPECT_EQ(rows[0].end_ns, kStart + 100);
  // It may well be answered when nobody looks any more.
  EXPECT_TRUE(rows[0].flags & WEFT_FLAG_INCOMPLETE);
  EXPECT_NE(rows[0].status, WEFT_STATUS_ERROR);
}

}  // namespace
}  // namespace weft::ebpf
