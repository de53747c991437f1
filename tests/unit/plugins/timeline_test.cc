#include "plugins/correlator-delay/timeline.h"

#include <vector>

#include <gtest/gtest.h>

namespace weft::plugins::delay {
namespace {

std::vector<uint32_t> Order(const ProcessHistory& history, int64_t slack_ns) {
  Timeline timeline;
  timeline.Take(history, INT64_MIN, INT64_MAX, slack_ns);
  std::vector<uint32_t> order;
  for (const Timeline::Event& e : timeline.events()) order.push_back(e.what);
  return order;
}

// A call whose answer was noted 20 us after the call that it led to had begun.
ProcessHistory LateAnswer() {
  ProcessHistory history;
  history.requests.resize(1);
  history.requests[0].start_ns = 1'000'000;
  history.requests[0].end_ns = 9'000'000;
  history.calls.resize(2);
  history.calls[0].start_ns = 2'000'000;
  history.calls[0].end_ns = 4'020'000;
  history.calls[1].start_ns = 4'000'000;
  history.calls[1].end_ns = 6'000'000;
  return history;
}

TEST(Timeline, PutsALateResponseBeforeTheCallThatItLedTo) {
  using enum Timeline::What;
  EXPECT_EQ(Order(LateAnswer(), 100'000),
            (std::vector<uint32_t>{kBegin, kCall, kResponse, kCall, kResponse, kEnd}));
}

TEST(Timeline, TakesTimesAsTheyAreWithoutSlack) {
  using enum Timeline::What;
  EXPECT_EQ(Order(LateAnswer(), 0),
            (std::vector<uint32_t>{kBegin, kCall, kCall, kResponse, kResponse, kEnd}));
}

TEST(Timeline, PutsNoResponseBeforeItsOwnCall) {
  using enum Timeline::What;
  ProcessHistory history;
  history.calls.resize(1);
  history.calls[0].start_ns = 2'000'000;
  history.calls[0].end_ns = 2'010'000;
  history.calls[0].wanted = true;
  EXPECT_EQ(Order(history, 100'000), (std::vector<uint32_t>{kCall, kInstantResponse}));
}

}  // namespace
}  // namespace weft::plugins::delay
