#include "plugins/correlator-delay/call_rates.h"

#include <cmath>

#include <gtest/gtest.h>

namespace weft::plugins::delay {
namespace {

constexpr uint32_t kCallee = 3;

void Observe(CallRates& rates, int calls, int orphans, int strays) {
  for (int i = 0; i < calls; ++i) rates.ObserveCall(kCallee, i < orphans, i < strays);
}

TEST(CallRates, SayNothingOfACalleeThatIsNew) {
  CallRates rates;
  Observe(rates, 19, 19, 19);
  rates.ObserveTime(1e6, 1e6);
  EXPECT_EQ(rates.LogBackground(kCallee), -40);
}

TEST(CallRates, TakeTheRateFromIdleTime) {
  CallRates rates;
  Observe(rates, 1000, 100, 0);
  rates.ObserveTime(9e6, 1e6);
  EXPECT_NEAR(rates.LogBackground(kCallee), std::log(1e-4), 0.01);
}

TEST(CallRates, CountStraysWhereAProcessIsNeverIdle) {
  CallRates rates;
  Observe(rates, 1000, 0, 100);
  rates.ObserveTime(1e7, 0);
  EXPECT_NEAR(rates.LogBackground(kCallee), std::log(1e-5), 0.01);
}

TEST(CallRates, SupposeInASearchThatSomeCallsAreStray) {
  CallRates rates;
  std::array<uint32_t, kOutcomes> calls{};
  calls[kCallee] = 500;
  rates.Suppose(calls, 1e6);
  EXPECT_NEAR(rates.LogSupposed(kCallee), std::log(5e-6), 0.01);
  EXPECT_EQ(rates.LogBackground(kCallee), -40);
}

}  // namespace
}  // namespace weft::plugins::delay
