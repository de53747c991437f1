// CountMap: 32-bit key -> fading count, open addressing. Plain value; one thread.
//
// The keys are hashes: of the few thousand that a process has, two share one about once in a
// thousand processes, and then two contexts are counted as one.
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
  // New keys start at 0 and are to be set above it. A reference until the next At of a new key.
  float& At(uint64_t hash);
  float Get(uint64_t hash) const;
  // Multiplies all counts; those that become 0 are gone.
  void Scale(float factor);
  // Sets a count by its key. Requires: count > 0.
  void Set(uint32_t key, float count) { At(uint64_t{key} << 32) = count; }
  // Leaves at most `most` keys: the smallest counts go, equal ones together.
  void Bound(size_t most);
  size_t size() const { return used_; }  // live keys

  struct Slot {
    uint32_t key = 0;
    float count = 0;
  };
  // In an order that depends on nothing but the content.
  std::vector<Slot> Sorted() const;

 private:
  static uint32_t KeyOf(uint64_t hash) {
    const auto key = static_cast<uint32_t>(hash >> 32);
    return key == 0 ? 1 : key;
  }
  void Rebuild(size_t slots);

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

}  // namespace weft::plugins::delay
