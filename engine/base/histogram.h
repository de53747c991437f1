// Histogram: how long something took, counted in fixed buckets.
//
// Made by Metrics::GetHistogram, observed from any thread (two relaxed atomics). One set of bounds
// for everything that weft times, from a commit in memory to a take-over that reads logs back, so
// that series can be compared and added up.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "engine/base/clock.h"

namespace weft {

class Histogram {
 public:
  // Upper bounds, inclusive; a last bucket takes the rest.
  static constexpr std::array<int64_t, 18> kBoundsNs = {
      100 * kMicrosecond, 250 * kMicrosecond, 500 * kMicrosecond, 1 * kMillisecond,
      2'500'000,          5 * kMillisecond,   10 * kMillisecond,  25 * kMillisecond,
      50 * kMillisecond,  100 * kMillisecond, 250 * kMillisecond, 500 * kMillisecond,
      1 * kSecond,        2'500'000'000,      5 * kSecond,        10 * kSecond,
      30 * kSecond,       60 * kSecond};
  static constexpr size_t kBuckets = kBoundsNs.size() + 1;

  struct Values {
    std::array<uint64_t, kBuckets> count{};  // each bucket alone, not cumulated
    uint64_t sum_ns = 0;

    // For whoever has many: collected here, then added in one go. Less than 0 counts as 0.
    void Observe(int64_t ns) {
      ns = std::max<int64_t>(ns, 0);
      ++count[static_cast<size_t>(std::ranges::lower_bound(kBoundsNs, ns) - kBoundsNs.begin())];
      sum_ns += static_cast<uint64_t>(ns);
    }
  };

  void Observe(int64_t ns) {
    Values one;
    one.Observe(ns);
    Add(one);
  }
  void Add(const Values& values) {
    for (size_t i = 0; i < kBuckets; ++i)
      if (values.count[i] > 0) count_[i].fetch_add(values.count[i], std::memory_order_relaxed);
    sum_ns_.fetch_add(values.sum_ns, std::memory_order_relaxed);
  }
  Values Get() const {
    Values values;
    for (size_t i = 0; i < kBuckets; ++i)
      values.count[i] = count_[i].load(std::memory_order_relaxed);
    values.sum_ns = sum_ns_.load(std::memory_order_relaxed);
    return values;
  }

 private:
  std::array<std::atomic<uint64_t>, kBuckets> count_{};
  std::atomic<uint64_t> sum_ns_{0};
};

}  // namespace weft
