#include "engine/base/metrics.h"

#include <thread>

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(Metrics, ACounterIsMadeOnceAndKeepsItsAddress) {
  Metrics metrics;
  Counter& first = metrics.Get("agent.observed");
  for (int i = 0; i < 100; ++i) metrics.Get("other." + std::to_string(i));
  EXPECT_EQ(&metrics.Get("agent.observed"), &first);
}

TEST(Metrics, ASnapshotIsSortedByName) {
  Metrics metrics;
  metrics.Get("b").Add(2);
  metrics.Get("a").Set(7);
  const auto snapshot = metrics.Snapshot();
  ASSERT_EQ(snapshot.size(), 2u);
  EXPECT_EQ(snapshot[0], std::make_pair(std::string("a"), uint64_t{7}));
  EXPECT_EQ(snapshot[1], std::make_pair(std::string("b"), uint64_t{2}));
}

TEST(Metrics, AddsFromManyThreadsAreAllCounted) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) metrics.Get("n").Add();
      });
  }
  EXPECT_EQ(metrics.Get("n").Get(), 40'000u);
}

}  // namespace
}  // namespace weft
