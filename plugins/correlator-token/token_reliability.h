// TokenReliability: how often a call of one kind shares a rare value with the request that caused
// it, learned without knowing who caused what.
//
// Expectation-maximisation, one call at a time: each open request is the cause with the odds that
// other evidence gives it; where it shares a value of frequency f, sharing explains that 1/f times
// better than chance. A coincidence among many open requests therefore counts for nothing on
// average, and a value that every cause shares counts fully. Plain data.
#pragma once

#include <algorithm>
#include <cmath>

namespace weft::plugins::token {

struct TokenReliability {
  float shared = 0, seen = 0;

  static constexpr float kStartWeight = 3.0f;
  static constexpr float kStart = 0.3f;
  // Near 0 the maximisation is slow to let go; sharing as seldom as this would be of no use anyway.
  static constexpr float kDoubt = 0.03f;
  static constexpr float kMemory = 300.0f;  // calls; older ones count half

  float Rate() const {
    const float rate = (shared + kStartWeight * kStart) / (seen + kStartWeight);
    return std::clamp((rate - kDoubt) / (1 - kDoubt), 0.002f, 0.98f);
  }
  // How much likelier the requests are to look like this if the candidate is the cause: it shares a
  // value of that frequency, or none.
  float Shares(float frequency) const { return 1 - Rate() + Rate() / frequency; }
  float SharesNone() const { return 1 - Rate(); }
  // The part of Shares that is no coincidence.
  float Explained(float frequency) const { return Rate() / frequency / Shares(frequency); }

  void Learn(float weight, float share) {
    seen += weight;
    shared += weight * share;
    if (seen > kMemory) seen /= 2, shared /= 2;
  }
};

}  // namespace weft::plugins::token
