// TokenCounts: how often each value was seen with each operation of one process; fading, bounded.
//
// Counts are exact until the table is full; then all are halved and what falls below one goes, most
// of it values that were seen once: not known is as good as rare. Keys are 32-bit mixes of what is
// counted. One thread; plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::plugins::token {

constexpr uint64_t Mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 32);
}

class TokenCounts {
 public:
  static constexpr size_t kMaxEntries = 8192;  // 128 KB with the room that probing needs

  static constexpr uint32_t Key(uint64_t a, uint64_t b) {
    return static_cast<uint32_t>(Mix(a * 0x9e3779b97f4a7c15ULL + b) >> 32) | 1;
  }
  float Get(uint32_t key) const;
  void Add(uint32_t key, float by = 1);
  size_t size() const { return used_; }

  template <class F>
  void Each(F&& f) const {
    for (const Slot& slot : slots_)
      if (slot.key != 0) f(slot.key, slot.count);
  }

 private:
  struct Slot {
    uint32_t key = 0;
    float count = 0;
  };
  void Rebuild(size_t size, float factor);
  size_t Find(uint32_t key) const;

  std::vector<Slot> slots_;  // open addressing; a power of two
  size_t used_ = 0;
};

}  // namespace weft::plugins::token
