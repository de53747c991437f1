// Random: numbers from a seed, the same on every machine: the standard library's distributions
// differ between implementations. One thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

#include "engine/base/hash.h"

namespace weft::eval {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(Mix64(seed)) {}
  // [0, 1)
  double Uniform() { return static_cast<double>(Mix64(state_++) >> 11) * 0x1p-53; }
  // Of mean 0 and deviation 1, by Box and Muller.
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace weft::eval
