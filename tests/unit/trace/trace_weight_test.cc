#include "engine/trace/trace_weight.h"

#include <cmath>

#include <gtest/gtest.h>

namespace weft::trace {
namespace {

// As a backend reads it.
double AdjustedCount(std::string digits) {
  digits.resize(14, '0');
  return 1 / (1 - static_cast<double>(std::stoull(digits, nullptr, 16)) / std::pow(2.0, 56));
}

TEST(TraceWeight, TheThresholdIsThatOfOpenTelemetrysExamples) {
  EXPECT_EQ(Threshold(1), "0");
  EXPECT_EQ(Threshold(2), "8");
  EXPECT_EQ(Threshold(4), "c");
  EXPECT_EQ(Threshold(10), "e666");
  EXPECT_EQ(Threshold(100), "fd70a");
  EXPECT_EQ(Threshold(std::nan("")), "0");
}

TEST(TraceWeight, ABackendReadsTheWeightBack) {
  for (const double weight : {1.001, 1.5, 3.0, 7.0, 100.0, 1024.0, 12'345.0, 1e6, 1e9})
    EXPECT_NEAR(AdjustedCount(Threshold(weight)) / weight, 1, 2e-3) << weight;
}

TEST(TraceWeight, OtherMembersOfTheTraceStateStay) {
  EXPECT_EQ(WithThreshold("", "c"), "ot=th:c");
  EXPECT_EQ(WithThreshold("vendor=x, ot=rv:abcdefabcdefab ;other:1,b=y", "c"),
            "ot=th:c;rv:abcdefabcdefab;other:1,vendor=x,b=y");
  EXPECT_EQ(WithThreshold(",,=,ot", "8"), "ot=th:8,=,ot");
}

TEST(TraceWeight, WhatOneBeforeUsRejectedStaysRejected) {
  EXPECT_EQ(WithThreshold("ot=th:fd70a", "c"), "ot=th:fd70a");
  EXPECT_EQ(WithThreshold("ot=th:8", "c"), "ot=th:c");
  EXPECT_EQ(WithThreshold("ot=th:0", "c"), "ot=th:c");
  EXPECT_EQ(WithThreshold("ot=th:what", "c"), "ot=th:c");
}

TEST(TraceWeight, WhatWasSeenAnywaySaysNothingOfAnEarlierSampler) {
  EXPECT_EQ(WithThreshold("ot=th:fd70a;rv:abcdefabcdefab,b=y", "c", Earlier::kSaysNothing),
            "ot=th:c;rv:abcdefabcdefab,b=y");
  EXPECT_EQ(WithThreshold("ot=th:fd70a", "0", Earlier::kSaysNothing), "ot=th:0");
}

TEST(TraceWeight, ItIsWrittenIntoTheSpansOfTracesThatStandForMore) {
  ExportBatch batch;
  for (uint32_t row = 0; row < 4; ++row) {
    batch.spans.AddRow();
    batch.spans.Attribute("n", int64_t{row});
    if (row == 2) batch.spans.Attribute("w3c.tracestate", "a=b");
  }
  batch.traces.AddTrace(1, 1, 0);
  batch.traces.AddTrace(1, 2, 1);
  batch.traces.AddTrace(1, 3, 3);
  batch.traces.n_rows = {1, 2, 1};
  batch.traces.weight = {1, 4, 1};
  WriteThresholds(batch);
  const api::SpanView view = batch.spans.View();
  const auto state = [&](uint32_t row) {
    std::string all;
    for (uint32_t a = batch.spans.attr_offset[row]; a < batch.spans.attr_offset[row + 1]; ++a) {
      const uint32_t pair = batch.spans.attr[a];
      if (view.Text(batch.spans.pairs.key[pair]) == "w3c.tracestate")
        all += view.Text(static_cast<uint32_t>(batch.spans.pairs.value[pair]));
    }
    return all;
  };
  EXPECT_EQ(state(0), "");
  EXPECT_EQ(state(1), "ot=th:c");
  EXPECT_EQ(state(2), "ot=th:c,a=b");
  EXPECT_EQ(state(3), "");
  EXPECT_EQ(batch.spans.attr.size(), 4u + 2u);
}

}  // namespace
}  // namespace weft::trace
