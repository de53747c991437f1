// Randomness: the part of a trace id that decides, so that whoever samples by it decides alike.
//
// OpenTelemetry's consistent probability sampling (tracestate ot=th): the low 56 bits of the trace
// id are the randomness R; a trace is kept when R >= T, T = (1 - probability) * 2^56. What is kept
// at one probability is kept at every higher one. Pure functions; any thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace weft::sampling {

inline constexpr uint64_t kRandomnessRange = uint64_t{1} << 56;

inline uint64_t Randomness(uint64_t trace_lo) { return trace_lo & (kRandomnessRange - 1); }

// 2^56 where nothing is to be kept.
inline uint64_t Threshold(double probability) {
  const double rejected =
      (1.0 - std::clamp(probability, 0.0, 1.0)) * static_cast<double>(kRandomnessRange);
  return static_cast<uint64_t>(std::llround(rejected));
}

// Adjusted count of a trace kept at this threshold. Requires: threshold < 2^56.
inline double WeightOf(uint64_t threshold) {
  return static_cast<double>(kRandomnessRange) / static_cast<double>(kRandomnessRange - threshold);
}

}  // namespace weft::sampling
