// MemoryShare: how much of their bounds the queues of this process may hold just now.
//
// Asked by the in-process channel, by each partition's traces and by each exporter's queue whenever
// they look at their bound; set by whoever watches the process's memory
// (engine/cli/memory_keeper.h). Where nobody watches there is none, and bounds are what they are:
// what decides is then a function of records and time alone. Any thread; outlives who asks.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weft {

class MemoryShare {
 public:
  // Below it nothing flows.
  static constexpr size_t kLeastBytes = size_t{4} << 20;

  void Set(double share) {
    millionths_.store(static_cast<uint32_t>(std::clamp(share, 0.0, 1.0) * 1e6),
                      std::memory_order_relaxed);
  }
  double Get() const { return millionths_.load(std::memory_order_relaxed) / 1e6; }
  size_t Of(size_t bound) const {
    return std::min(bound,
                    std::max(kLeastBytes, static_cast<size_t>(static_cast<double>(bound) * Get())));
  }

 private:
  std::atomic<uint32_t> millionths_{1'000'000};
};

// Of a bound, now; share may be null.
inline size_t AllowedNow(const MemoryShare* share, size_t bound) {
  return share ? share->Of(bound) : bound;
}

}  // namespace weft
