// QuickHash: eight bytes at a time, for places in tables that live in memory only. Its values may
// change with every version; what travels is hashed by engine/base/hash.h.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/hash.h"
#include "engine/base/text_words.h"

namespace weft::ebpf {

inline uint64_t QuickHash(std::string_view text, uint64_t seed = 0) {
  uint64_t h = seed ^ text.size() * 0x9e3779b97f4a7c15ULL;
  for (; text.size() > 8; text.remove_prefix(8)) {
    h = (h ^ LoadWord<uint64_t>(text.data())) * 0xbf58476d1ce4e5b9ULL;
    h ^= h >> 29;
  }
  return Mix64(h ^ ShortWord(text));
}

}  // namespace weft::ebpf
