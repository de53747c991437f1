// QuietWarnings: one line about what may come by the million, and how many like it there were.
//
// A bad producer must not fill the disk with log lines; the counters have the exact numbers. Told
// the time by its owner. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/clock.h"
#include "engine/base/log.h"

namespace weft {

class QuietWarnings {
 public:
  // The logger must outlive it.
  explicit QuietWarnings(Logger& log) : log_(log) {}

  // Lines less than ten seconds after the last one that went out are only counted.
  void Warn(int64_t now_ns, std::string line) {
    if (now_ns < next_ns_) {
      ++suppressed_;
      return;
    }
    next_ns_ = now_ns + kQuiet;
    if (suppressed_ > 0) line += " (" + std::to_string(suppressed_) + " like it before)";
    suppressed_ = 0;
    log_.Warn(line);
  }

 private:
  static constexpr int64_t kQuiet = 10 * kSecond;

  Logger& log_;
  int64_t next_ns_ = INT64_MIN;
  uint64_t suppressed_ = 0;
};

}  // namespace weft
