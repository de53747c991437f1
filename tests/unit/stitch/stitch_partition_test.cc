#include "engine/stitch/stitch_partition.h"

#include <gtest/gtest.h>

#include "tests/support/stitch_harness.h"

namespace weft::stitch {
namespace {

using testing::Observation;
using testing::StitchHarness;
using api::Side;
using api::SpanId;

constexpr int64_t kT = 998 * kSecond;  // well before the harness's clock

StitchConfig Partitions(uint32_t n) {
  StitchConfig c;
  c.partitions = n;
  return c;
}

// The shape of most tests: a request at A (wire 10), which calls B (wire 11).
//   edge --10--> A --11--> B
struct Shop {
  Observation a{.process = 1, .service = "a", .wire = 10, .start = kT, .end = kT + 100};
  Observation call{.process = 1, .service = "a", .kind = WEFT_KIND_CLIENT, .wire = 11,
                   .start = kT + 10, .end = kT + 90};
  Observation b{.process = 2, .service = "b", .wire = 11, .start = kT + 20, .end = kT + 80};
};

TEST(StitchPartition, StitchesAnExchangeOfTwoProcessesIntoOneTrace) {
  StitchHarness h(Partitions(1));
  const Shop s;
  h.Publish({s.a, s.call, s.b}, h.clock.MonotonicNs());
  h.Run();
  h.Beat();
  ASSERT_EQ(h.spans().size(), 3u);
  EXPECT_EQ(h.Server(10).parent, 0u);
  EXPECT_TRUE(h.Server(10).flags & WEFT_FLAG_LOCAL_ROOT);
  EXPECT_EQ(h.Client(11).parent, SpanId(10, Side::kServer));
  EXPECT_EQ(h.Server(11).parent, SpanId(11, Side::kClient));
  for (const auto& [id, span] : h.spans()) {
    EXPECT_EQ(span.trace_hi, api::RootTraceId(SpanId(10, Side::kServer)).hi);
    EXPECT_EQ(span.trace_lo, api::RootTraceId(SpanId(10, Side::kServer)).lo);
    EXPECT_EQ(span.times, 1);
  }
}

}  // namespace
}  // namespace weft::stitch
