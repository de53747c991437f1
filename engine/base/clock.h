// Clock: where time comes from. Passed in everywhere; nothing reads the system clock directly.
//
// MonotonicNs is CLOCK_MONOTONIC, the clock of the kernel's bpf_ktime_get_ns, so that times of
// observations and times of the engine on one host can be compared. UnixNs is CLOCK_REALTIME, for
// showing to people only; no decision uses it. Both are safe to call from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t MonotonicNs() const = 0;
  virtual int64_t UnixNs() const = 0;
};

class SystemClock final : public Clock {
 public:
  int64_t MonotonicNs() const override;
  int64_t UnixNs() const override;
};

// A clock that moves only when told to: tests and the simulator.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t monotonic_ns = 0, int64_t unix_offset_ns = 0)
      : now_(monotonic_ns), unix_offset_(unix_offset_ns) {}
  int64_t MonotonicNs() const override { return now_.load(std::memory_order_relaxed); }
  int64_t UnixNs() const override { return MonotonicNs() + unix_offset_; }
  void Advance(int64_t ns) { now_.fetch_add(ns, std::memory_order_relaxed); }
  void Set(int64_t ns) { now_.store(ns, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> now_;
  int64_t unix_offset_;
};

inline constexpr int64_t kMicrosecond = 1'000;
inline constexpr int64_t kMillisecond = 1'000'000;
inline constexpr int64_t kSecond = 1'000'000'000;

}  // namespace weft
