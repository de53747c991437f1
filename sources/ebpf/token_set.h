// TokenSet: the few salted hashes that stand for the rare values of one message. Never the values.
//
// Bounded: of more values than fit, those of the highest rank stay, and of one rank those with the
// lowest hashes, so that two messages with many values in common keep the same ones. Plain data.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::ebpf {

class TokenSet {
 public:
  static constexpr size_t kMax = 8;
  struct Item {
    uint32_t hash = 0;
    uint8_t rank = 0;
  };

  void Clear() { size_ = 0; }
  bool empty() const { return size_ == 0; }
  // Ascending by nothing in particular; bit 0 of a hash is always 0.
  std::span<const uint32_t> hashes() const { return {hash_.data(), size_}; }
  Item item(size_t i) const { return {hash_[i], rank_[i]}; }
  // Whether a value of that rank could still find room: spares its hash.
  bool Wants(uint8_t rank) const { return size_ < kMax || rank >= lowest_; }
  void Add(uint32_t hash, uint8_t rank) {
    hash &= ~uint32_t{1};
    if (std::ranges::find(hashes(), hash) != hashes().end()) return;
    if (size_ < kMax) {
      Put(size_++, hash, rank);
      return;
    }
    size_t worst = 0;
    for (size_t i = 1; i < kMax; ++i)
      if (Before(rank_[worst], hash_[worst], rank_[i], hash_[i])) worst = i;
    if (Before(rank, hash, rank_[worst], hash_[worst])) Put(worst, hash, rank);
  }

 private:
  static bool Before(uint8_t rank_a, uint32_t a, uint8_t rank_b, uint32_t b) {
    return rank_a != rank_b ? rank_a > rank_b : a < b;
  }
  void Put(size_t at, uint32_t hash, uint8_t rank) {
    hash_[at] = hash;
    rank_[at] = rank;
    lowest_ = *std::min_element(rank_.begin(), rank_.begin() + static_cast<ptrdiff_t>(size_));
  }

  std::array<uint32_t, kMax> hash_;
  std::array<uint8_t, kMax> rank_;
  uint8_t size_ = 0, lowest_ = 0;
};

}  // namespace weft::ebpf
