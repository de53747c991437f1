// What correlators see of the tokens, through the whole of stage 1.
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/stitch_harness.h"

namespace weft::stitch {
namespace {

using testing::Observation;
using testing::StitchHarness;

constexpr int64_t kT = 998 * kSecond;

// A correlator that says nothing and remembers the tokens of every row by its start time.
struct Listener {
  bool any = false;
  std::map<int64_t, std::vector<uint32_t>> seen;

  static int32_t Correlate(void* self, const weft_spans* s, weft_candidates*, weft_error*) {
    auto* listener = static_cast<Listener*>(self);
    if (s->token_offset == nullptr) return WEFT_OK;
    listener->any = true;
    for (uint32_t i = 0; i < s->n; ++i)
      listener->seen[s->start_ns[i]] = {s->token + s->token_offset[i],
                                        s->token + s->token_offset[i + 1]};
    return WEFT_OK;
  }
  ChainLink Link() {
    static const weft_correlator table = {
        sizeof(weft_correlator), &Correlate, nullptr, nullptr, nullptr, nullptr, 0};
    return {"listener", &table, this};
  }
};

Observation Request(uint64_t wire, int64_t start, int64_t end, std::vector<uint32_t> tokens) {
  return {.wire = wire, .start = kT + start, .end = end == 0 ? 0 : kT + end, .tokens = tokens};
}

// Windows without calls are not shown to correlators at all.
Observation Call(uint64_t wire, int64_t start) {
  return {.kind = WEFT_KIND_CLIENT, .wire = wire, .start = kT + start, .end = kT + start + 5};
}

TEST(WindowTokens, ReachTheCorrelatorsRowByRow) {
  Listener listener;
  StitchHarness h({}, {listener.Link()});
  h.Publish({Request(10, 0, 100, {2, 5}), Request(11, 10, 90, {}), Request(12, 20, 80, {8}),
             Call(13, 30)},
            h.clock.MonotonicNs());
  h.Beat();
  EXPECT_EQ(listener.seen[kT], (std::vector<uint32_t>{2, 5}));
  EXPECT_EQ(listener.seen[kT + 10], std::vector<uint32_t>{});
  EXPECT_EQ(listener.seen[kT + 20], std::vector<uint32_t>{8});
}

TEST(WindowTokens, AreAbsentWhereNobodyHasAny) {
  Listener listener;
  StitchHarness h({}, {listener.Link()});
  h.Publish({Request(10, 0, 100, {}), Call(13, 30)}, h.clock.MonotonicNs());
  h.Beat();
  EXPECT_FALSE(listener.any);
}

// A view must not depend on how far reading had got: what ended beyond the look-ahead is shown as
// open, and an open request has no response.
TEST(WindowTokens, OfAResponseThatIsNotThereYetAreNotShown) {
  Listener listener;
  StitchHarness h({}, {listener.Link()});
  h.Publish(
      {Request(10, 0, 100, {2, 3}), Request(11, 10, 1900 * kMillisecond, {4, 7}), Call(13, 30)},
      h.clock.MonotonicNs());
  h.Beat();
  EXPECT_EQ(listener.seen[kT], (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(listener.seen[kT + 10], std::vector<uint32_t>{4});
}

}  // namespace
}  // namespace weft::stitch
