#include "plugins/correlator-delay/call_rates.h"

#include <algorithm>
#include <cmath>

namespace weft::plugins::delay {
namespace {

constexpr double kPrior = 1e-5;     // of the calls
constexpr double kSupposed = 1e-2;  // likewise
constexpr double kLeastIdle = 1e5;  // microseconds
constexpr float kLeastCalls = 20;   // a new callee must get the chance to be learned
constexpr float kImpossible = -40.0f;

}  // namespace

void CallRates::ObserveCall(uint32_t callee, bool orphan, bool stray) {
  calls_[callee] += 1;
  if (orphan) orphans_[callee] += 1;
  if (stray) strays_[callee] += 1;
}

void CallRates::Scale(float factor) {
  for (auto* counts : {&calls_, &orphans_, &strays_})
    for (float& c : *counts) c *= factor;
  busy_ *= factor;
  idle_ *= factor;
}

void CallRates::Suppose(const std::array<uint32_t, kOutcomes>& calls, double microseconds) {
  for (size_t c = 0; c < kOutcomes; ++c)
    supposed_[c] =
        static_cast<float>(std::log((kSupposed * calls[c] + 1e-9) / std::max(microseconds, 1.0)));
}

float CallRates::LogBackground(uint32_t callee) const {
  if (calls_[callee] < kLeastCalls || busy_ <= 0) return kImpossible;
  const double idle = static_cast<double>(orphans_[callee]) / std::max(idle_, kLeastIdle);
  const double busy = static_cast<double>(strays_[callee]) / busy_;
  const double prior = (kPrior * static_cast<double>(calls_[callee]) + 0.01) / busy_;
  return static_cast<float>(std::log(std::max(idle, busy) + prior));
}

}  // namespace weft::plugins::delay
