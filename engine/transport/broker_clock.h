// BrokerClock: what time it is in the log, as far as append times tell.
//
// Brokers stamp records when they append them. An append time that has come back to us says that
// the broker's clock had reached it by then; the greatest difference to our own clock of the last
// one to two minutes is the estimate, which is late by the fastest round trip and never early.
// Until something has come back (`known`) the host's own wall clock stands in; nothing may be
// decided by that. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "engine/base/clock.h"

namespace weft::transport {

class BrokerClock {
 public:
  explicit BrokerClock(const Clock& clock)
      : clock_(clock), offset_ns_(clock.UnixNs() - clock.MonotonicNs()) {}

  int64_t NowNs() const {
    return clock_.MonotonicNs() + offset_ns_.load(std::memory_order_relaxed);
  }
  bool known() const { return known_.load(std::memory_order_relaxed); }
  // A record with that append time has arrived here, or was acknowledged, just now.
  void Note(int64_t append_ns);

 private:
  static constexpr int64_t kMinute = 60 * kSecond;

  const Clock& clock_;
  std::atomic<int64_t> offset_ns_;
  std::atomic<bool> known_ = false;
  std::mutex mutex_;
  int64_t minute_begin_ns_ = INT64_MIN;
  int64_t greatest_ns_[2] = {INT64_MIN, INT64_MIN};  // of this minute and the one before
};

}  // namespace weft::transport
