#include "engine/transport/broker_clock.h"

namespace weft::transport {

void BrokerClock::Note(int64_t append_ns) {
  const int64_t now = clock_.MonotonicNs();
  const int64_t offset = append_ns - now;
  const std::lock_guard lock(mutex_);
  if (minute_begin_ns_ == INT64_MIN) minute_begin_ns_ = now;
  if (now - minute_begin_ns_ >= kMinute) {
    minute_begin_ns_ = now;
    greatest_ns_[1] = greatest_ns_[0];
    greatest_ns_[0] = INT64_MIN;
  }
  greatest_ns_[0] = std::max(greatest_ns_[0], offset);
  offset_ns_.store(std::max(greatest_ns_[0], greatest_ns_[1]), std::memory_order_relaxed);
  known_.store(true, std::memory_order_relaxed);
}

}  // namespace weft::transport
