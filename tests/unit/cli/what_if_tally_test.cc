#include "engine/cli/what_if_tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/trace_batch.h"

namespace weft::cli {
namespace {

// Keeps traces of at least so many rows, at a weight.
struct AtLeast {
  uint32_t rows;
  double weight;
  int64_t latest_ns = 0;
};

int32_t Decide(void* instance, const weft_spans*, const weft_traces* traces, weft_decisions* out,
               weft_error*) {
  auto* self = static_cast<AtLeast*>(instance);
  self->latest_ns = traces->decided_ns;
  for (uint32_t i = 0; i < traces->n; ++i) {
    out->keep[i] = traces->n_rows[i] >= self->rows;
    out->weight[i] = self->weight;
    out->rule[i] = api::Str(out->keep[i] ? "large" : "small");
  }
  return WEFT_OK;
}
const weft_sampler kTable{sizeof(weft_sampler), Decide, nullptr, nullptr};

class WhatIf : public ::testing::Test {
 protected:
  void Trace(uint64_t id, int rows, uint32_t flags = 0) {
    batch_.BeginTrace(id, id);
    for (int i = 0; i < rows; ++i)
      batch_.AddSpan(id * 100 + static_cast<uint64_t>(i), i == 0 ? 0 : id * 100, WEFT_KIND_SERVER,
                     "shop", "GET /", 1'000'000, static_cast<int64_t>(id) * 10'000'000,
                     WEFT_STATUS_UNSET, flags);
  }
  void Take() {
    const api::SpanView view = batch_.table.View();
    tally_.Take(view.spans(), batch_.Traces());
    batch_ = {};
  }

  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  AtLeast two_{2, 1}, three_{3, 4};
  trace::SamplerChain before_{{{"two", &kTable, &two_}}, metrics_, *log_};
  trace::SamplerChain after_{{{"three", &kTable, &three_}}, metrics_, *log_};
  WhatIfTally tally_{before_, after_, 2};
  test::TraceBatch batch_;
};

TEST_F(WhatIf, CountsWhatEachSideKeepsAndWhatDiffers) {
  Trace(1, 1);
  Trace(2, 2);
  Trace(3, 3);
  Take();
  Trace(4, 2);
  Take();
  EXPECT_EQ(tally_.all().traces, 4u);
  EXPECT_EQ(tally_.all().spans, 8u);
  EXPECT_EQ(tally_.before().kept.traces, 3u);
  EXPECT_EQ(tally_.after().kept.traces, 1u);
  EXPECT_EQ(tally_.after().kept.weight, 4.0);
  EXPECT_EQ(tally_.after().rules.at("small").dropped.traces, 3u);
  EXPECT_GT(tally_.after().kept.bytes, 100u);
  EXPECT_EQ(tally_.lost(), 2u);
  EXPECT_EQ(tally_.gained(), 0u);
  EXPECT_EQ(tally_.lost_examples().at(0).trace_id, "00000000000000020000000000000002");
  EXPECT_EQ(two_.latest_ns, 40'000'000);
  EXPECT_THAT(WhatIfText(tally_, "a", "b"), ::testing::HasSubstr("2 traces kept before"));
  EXPECT_THAT(WhatIfJson(tally_), ::testing::HasSubstr("\"lost\": 2"));
}

TEST_F(WhatIf, LateSpansFollowTheirTrace) {
  Trace(3, 3);
  Take();
  Trace(3, 1, WEFT_FLAG_LATE);
  Take();
  EXPECT_EQ(tally_.all().traces, 1u);
  EXPECT_EQ(tally_.after().kept.traces, 1u);
  EXPECT_EQ(tally_.after().kept.spans, 4u);
}

}  // namespace
}  // namespace weft::cli
