// MemoryKeeper: makes the queues of an engine smaller while the memory of its cgroup is short, and
// larger again when it is not.
//
// Made by Pipeline before its queues; Keep is called from its loop, any number of times. What the
// queues do not hold any more is dropped by the sources or decided early, and counted there. One
// thread. Lent: share and services.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/memory_share.h"
#include "engine/cli/memory_limit.h"
#include "engine/plugin/host.h"

namespace weft::cli {

// The share of what fits the limit that queues may have next, by the share that they have.
double NextShare(double share, const MemoryUse& use);

class MemoryKeeper {
 public:
  // root: in front of /proc and /sys.
  MemoryKeeper(MemoryShare& share, const plugin::Services& services, std::string root = "");

  // What the configuration allows; the share is made to fit the limit that there is now.
  void Begin(const QueueBounds& wanted, const Config& config);
  // Looks at the memory if the last time is an interval ago.
  void Keep();

 private:
  void Apply(const MemoryUse& use);

  MemoryShare& share_;
  plugin::Services services_;
  const std::string root_;
  QueueBounds wanted_;
  uint64_t wanted_sum_ = 0;
  double pressure_ = 1;  // 1: none
  int64_t looked_ns_ = 0;
};

}  // namespace weft::cli
