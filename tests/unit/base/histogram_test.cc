#include "engine/base/histogram.h"

#include <gtest/gtest.h>

#include "engine/base/metrics.h"

namespace weft {
namespace {

TEST(Histogram, ABoundBelongsToItsOwnBucket) {
  Histogram histogram;
  histogram.Observe(Histogram::kBoundsNs[3]);
  histogram.Observe(Histogram::kBoundsNs[3] + 1);
  const Histogram::Values values = histogram.Get();
  EXPECT_EQ(values.count[3], 1u);
  EXPECT_EQ(values.count[4], 1u);
  EXPECT_EQ(values.sum_ns, static_cast<uint64_t>(2 * Histogram::kBoundsNs[3] + 1));
}

TEST(Histogram, WhatIsLongerThanAllBoundsAndWhatIsNegativeIsCountedToo) {
  Histogram histogram;
  histogram.Observe(3600 * kSecond);
  histogram.Observe(-5);
  const Histogram::Values values = histogram.Get();
  EXPECT_EQ(values.count.back(), 1u);
  EXPECT_EQ(values.count.front(), 1u);
  EXPECT_EQ(values.sum_ns, static_cast<uint64_t>(3600 * kSecond));
}

TEST(Histogram, WhatWasCollectedApartIsAdded) {
  Metrics metrics;
  Histogram::Values batch;
  batch.Observe(kMillisecond);
  batch.Observe(kMillisecond);
  metrics.GetHistogram("commit_ns").Add(batch);
  metrics.GetHistogram("commit_ns").Observe(kMillisecond);
  EXPECT_EQ(metrics.Histograms()[0].second.count[3], 3u);
}

TEST(PassingGauge, IsShownAsLongAsItLives) {
  Metrics metrics;
  {
    PassingGauge gauge(metrics, "lag{partition=1}");
    gauge.Set(7);
    EXPECT_EQ(metrics.Gauges(), (Metrics::Values{{"lag{partition=1}", 7}}));
    gauge.Set(-1);
    EXPECT_EQ(metrics.Gauges(), (Metrics::Values{{"lag{partition=1}", 0}}));
  }
  EXPECT_TRUE(metrics.Gauges().empty());
  EXPECT_TRUE(metrics.Snapshot().empty());
}

TEST(PassingGauge, OfTwoOwnersTheNewerIsShown) {
  Metrics metrics;
  auto old_owner = std::make_unique<PassingGauge>(metrics, "lag");
  old_owner->Set(1);
  PassingGauge new_owner(metrics, "lag");
  new_owner.Set(2);
  EXPECT_EQ(metrics.Gauges(), (Metrics::Values{{"lag", 2}}));
  old_owner.reset();
  EXPECT_EQ(metrics.Gauges(), (Metrics::Values{{"lag", 2}}));
}

}  // namespace
}  // namespace weft
