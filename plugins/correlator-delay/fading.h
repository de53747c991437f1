// How counts fade: in steps of 1/64, so that saved state holds them exactly in a byte or two.
#pragma once

#include <cmath>

namespace weft::plugins::delay {

inline constexpr float kCountSteps = 64;

// Requires: count >= 0. Small counts end as 0.
inline float Faded(float count, float factor) {
  return std::floor(count * factor * kCountSteps + 0.5f) / kCountSteps;
}

}  // namespace weft::plugins::delay
