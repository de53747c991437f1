// Hashes whose values are part of the contract: ids and partitions must be equal in every run, on
// every machine and in every version. They must never change; hash_test.cc pins them.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft {

// The finaliser of SplitMix64: a bijection on 64 bits.
constexpr uint64_t Mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Unmix64(Mix64(x)) == x.
constexpr uint64_t Unmix64(uint64_t x) {
  x = (x ^ (x >> 31) ^ (x >> 62)) * 0x319642b2d24d8ec3ULL;
  x = (x ^ (x >> 27) ^ (x >> 54)) * 0x96de1b173f119089ULL;
  return (x ^ (x >> 30) ^ (x >> 60)) - 0x9e3779b97f4a7c15ULL;
}

constexpr uint64_t HashCombine(uint64_t a, uint64_t b) { return Mix64(a ^ Mix64(b)); }

// FNV-1a, then mixed. For names (hosts, files), not for bulk data.
constexpr uint64_t HashText(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return Mix64(h);
}

constexpr uint32_t PartitionOf(uint64_t key, uint32_t partitions) {
  const uint64_t hash = Mix64(key ^ 0x77656674ULL);
  // The same number, without a division where it is a power of two, as it mostly is.
  if ((partitions & (partitions - 1)) == 0) return static_cast<uint32_t>(hash) & (partitions - 1);
  return static_cast<uint32_t>(hash % partitions);
}

}  // namespace weft
