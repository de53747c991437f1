// CountMap: 64-bit key -> fading count, open addressing, no removal. One thread; plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::plugins::delay {

constexpr uint64_t Mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 32);
}
constexpr uint64_t Join(uint64_t a, uint64_t b) { return Mix(a * 0x9e3779b97f4a7c15ULL + b + 1); }

class CountMap {
 public:
  CountMap() { Clear(); }
  void Clear();  // keeps the room that was used
  // The count itself; a reference until the next At of a new key. New keys start at 0.
  float& At(uint64_t key);
  float Get(uint64_t key) const;
  // Multiplies all counts; those that fall below `floor` become 0 and go at the next growth.
  void Scale(float factor, float floor);
  size_t size() const { return used_; }

  template <class F>
  void Each(F&& f) const {
    for (size_t i = 0; i < keys_.size(); ++i)
      if (keys_[i] != 0 && counts_[i] > 0) f(keys_[i], counts_[i]);
  }

 private:
  void Grow();

  std::vector<uint64_t> keys_;
  std::vector<float> counts_;
  size_t used_ = 0;
};

}  // namespace weft::plugins::delay
