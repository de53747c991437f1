#include "engine/base/clock.h"

#include <ctime>

namespace weft {
namespace {

int64_t Read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * kSecond + t.tv_nsec;
}

}  // namespace

int64_t SystemClock::MonotonicNs() const { return Read(CLOCK_MONOTONIC); }
int64_t SystemClock::UnixNs() const { return Read(CLOCK_REALTIME); }

}  // namespace weft
