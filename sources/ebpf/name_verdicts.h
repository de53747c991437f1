// NameVerdicts: remembers what names turned out to be, because the same few come again and again
// and judging one takes a hundred times as long. Lossy, bounded; any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "engine/base/hash.h"

namespace weft::ebpf {

class NameVerdicts {
 public:
  // `judge(name)`, or what it said the last time.
  template <typename Judge>
  bool Of(std::string_view name, const Judge& judge) {
    const uint64_t hash = HashText(name) | 1;
    std::atomic<uint64_t>& known = known_[hash >> 55];
    const uint64_t seen = known.load(std::memory_order_relaxed);
    if ((seen | 1) == hash) return (seen & 1) != 0;
    const bool verdict = judge(name);
    known.store(verdict ? hash : hash & ~uint64_t{1}, std::memory_order_relaxed);
    return verdict;
  }

 private:
  // The name's hash with its lowest bit replaced by the verdict; 0 is free.
  std::array<std::atomic<uint64_t>, 512> known_{};
};

}  // namespace weft::ebpf
