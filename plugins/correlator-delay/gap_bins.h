// GapBins: times between two events as small numbers: 0 is "less than one quantum of the clock",
// then four per octave up to two minutes, and 20 for negative ones (rounded clocks seem to run
// backwards, and a child may outlive its parent). Within an octave the bins are equally wide,
// because then a bin is three bits of a float. Plain value.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

namespace weft::plugins::delay {

class GapBins {
 public:
  static constexpr int kBins = 128;
  static constexpr int kFirstNegative = 108;

  explicit GapBins(int64_t quantum_ns = 1000) : quantum_(quantum_ns) {
    for (int b = 0; b < kBins; ++b)
      log_width_[static_cast<size_t>(b)] =
          static_cast<float>(std::log(Width(b) * static_cast<double>(quantum_ns) * 1e-3));
  }

  int64_t quantum() const { return quantum_; }

  size_t Of(int64_t gap_ns) const {
    if (gap_ns < quantum_) return gap_ns >= 0 ? 0 : Negative(gap_ns);
    const float quanta = static_cast<float>(gap_ns) / static_cast<float>(quantum_) + 1.0f;
    const uint32_t bin = ((std::bit_cast<uint32_t>(quanta) - kOne) >> 21) - 3;
    return std::min<uint32_t>(bin, kFirstNegative - 1);
  }

  // Of the bin's width in microseconds.
  float LogWidth(size_t bin) const { return log_width_[bin]; }

 private:
  static constexpr uint32_t kOne = std::bit_cast<uint32_t>(1.0f);

  size_t Negative(int64_t gap_ns) const {
    const float quanta = 1.0f - static_cast<float>(gap_ns) / static_cast<float>(quantum_);
    return kFirstNegative + std::min((std::bit_cast<uint32_t>(quanta) - kOne) >> 23, 19u);
  }
  static double Width(int bin) {  // in quanta
    if (bin == 0) return 1;
    if (bin >= kFirstNegative) return std::exp2(bin - kFirstNegative);
    return std::exp2((bin - 1) / 4 - 1);
  }

  int64_t quantum_;
  std::array<float, kBins> log_width_{};
};

using Histogram = std::array<float, GapBins::kBins>;

// A kernel of (1/4, 1/2, 1/4), one-sided at the ends, with a few percent in broad tails: what is
// four times as long as anything seen yet is rare, but it is no proof.
inline float Smooth(const Histogram& h, size_t b) {
  constexpr float kTails = 0.05f, kTailFalls = 0.85f;
  constexpr size_t kTailBins = 16;
  constexpr float kTailWeight = 12.34f;  // twice the sum of kTailFalls^0..15
  if (b == 0) return 0.9f * h[0] + 0.1f * h[1];
  if (b >= GapBins::kFirstNegative) return h[b];
  const float below = b > 1 ? h[b - 1] : 0.4f * h[0];
  const float above = b + 1 < GapBins::kFirstNegative ? h[b + 1] : 0.0f;
  const float near = 0.5f * h[b] + 0.25f * below + 0.25f * above;
  float far = 0, weight = 1;
  for (size_t d = 1; d <= kTailBins; ++d, weight *= kTailFalls) {
    if (b > d) far += weight * h[b - d];
    if (b + d < GapBins::kFirstNegative) far += weight * h[b + d];
  }
  return near + kTails * (far / kTailWeight - near);
}

}  // namespace weft::plugins::delay
