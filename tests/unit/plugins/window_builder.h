// WindowBuilder: hand-made recordings of one process whose parents are known: who calls whom, on
// which thread, after how long. Random numbers are seeded; the same every time.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "tests/accuracy/recording.h"
#include "tests/accuracy/replay.h"

namespace weft {

class WindowBuilder {
 public:
  explicit WindowBuilder(uint64_t seed = 1) : random_(seed) {
    recording_.names = {"shop", "GET /cart", "redis", "GET", "stock", "POST /take", "GET /item"};
  }

  // A request to the process; returns its row. `end_us` may be set later with End.
  int32_t Request(int64_t start_us, uint32_t tid, uint32_t operation = 1) {
    accuracy::Span span;
    span.trace = recording_.traces++;
    span.operation = operation;
    span.start_ns = span.end_ns = start_us * kMicrosecond;
    span.tid = tid;
    span.connection = 1 + recording_.spans.size();
    recording_.spans.push_back(span);
    return static_cast<int32_t>(recording_.spans.size() - 1);
  }
  void End(int32_t request, int64_t end_us) { Of(request).end_ns = end_us * kMicrosecond; }

  // A call that `request` makes (-1: nobody's); returns its row.
  int32_t Call(int32_t request, int64_t start_us, int64_t end_us, uint32_t tid, uint32_t peer = 2) {
    accuracy::Span span;
    span.trace = request < 0 ? 0 : Of(request).trace;
    span.client = true;
    span.peer = peer;
    span.operation = peer + 1;
    span.start_ns = start_us * kMicrosecond;
    span.end_ns = end_us * kMicrosecond;
    span.parent = request;
    span.tid = tid;
    recording_.spans.push_back(span);
    return static_cast<int32_t>(recording_.spans.size() - 1);
  }

  accuracy::Span& Of(int32_t row) { return recording_.spans[static_cast<size_t>(row)]; }
  const accuracy::Recording& recording() const { return recording_; }

  // Uniform in [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  // A gap around `median` with a few percent of spread.
  int64_t About(int64_t median) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(median) *
                                             std::lognormal_distribution<>(0, 0.1)(random_)));
  }

  double Exponential(double mean) { return std::exponential_distribution<>(1 / mean)(random_); }

  // Share of the calls that a chain links rightly; those of nobody count when left unlinked. Calls
  // before `from_us` are not counted.
  double Accuracy(const std::vector<const plugin::PluginInstance*>& chain, int64_t from_us = 0) {
    const auto result = accuracy::Replay(recording_, chain);
    EXPECT_TRUE(result) << result.error().message;
    uint64_t right = 0, all = 0;
    for (size_t i = 0; i < recording_.spans.size(); ++i) {
      if (!recording_.spans[i].client || recording_.spans[i].start_ns < from_us * kMicrosecond)
        continue;
      ++all;
      right += result->parents[i] == recording_.spans[i].parent;
    }
    return static_cast<double>(right) / static_cast<double>(all);
  }

 private:
  accuracy::Recording recording_;
  std::mt19937_64 random_;
};

}  // namespace weft
