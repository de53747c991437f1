// Health: what /healthz and /readyz answer, and why.
//
// The command that runs tells it: Pending and Ready per part while it starts and while it has
// nothing to do ("engine": no partitions yet), Beat from the loop that everything hangs on, Failed
// when only a new start can help, Stopping when the end has been asked for. Alive is for a
// supervisor that restarts; ready is for one that waits. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/base/clock.h"

namespace weft::telemetry {

class Health {
 public:
  // Without a beat for so long the process counts as stuck; a store that waits for its disk does
  // not.
  static constexpr int64_t kStuckAfterNs = 60 * kSecond;

  explicit Health(const Clock& clock) : clock_(clock), beat_ns_(clock.MonotonicNs()) {}

  // Not ready as long as any part is pending; `why` is for the operator.
  void Pending(std::string_view part, std::string why);
  void Ready(std::string_view part);
  void Beat();
  void Failed(std::string why);
  void Stopping();

  struct Answer {
    bool ok = false;
    std::string text;  // one line per reason, or "ok"
  };
  Answer Alive() const;
  Answer IsReady() const;

 private:
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> pending_;
  std::string failed_;
  int64_t beat_ns_;
  bool begun_ = false;  // a part has been ready
  bool stopping_ = false;
};

}  // namespace weft::telemetry
