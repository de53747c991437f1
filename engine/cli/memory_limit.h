// What of the memory that this process may take its queues get. A cgroup's limit ends a process
// that goes past it, with all that it holds; so bounded queues are made to fit, and what they do
// not hold is dropped or decided early where it always is, and counted. Pure but for MemoryLimit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/config.h"

namespace weft::cli {

// The smallest limit of this process's memory cgroups, of either version (max and high); 0: none.
// `root`: in front of /proc and /sys.
uint64_t MemoryLimit(const std::string& root = "");

// What is used of that cgroup which is nearest to its limit; without what the kernel can take back
// by itself, the caches of files. A group that others fill does not count: smaller queues here
// would not relieve it. limit 0: none has one.
struct MemoryUse {
  uint64_t used = 0, limit = 0;
  double stalled = 0;  // percent of the last ten seconds in which somebody waited for memory
};
MemoryUse ReadMemoryUse(const std::string& root = "");

struct QueueBounds {
  uint64_t transport_bytes = 0;     // in-process channel
  uint64_t partition_bytes = 0;     // traces that are not decided yet, per partition
  uint64_t export_queue_bytes = 0;  // before each exporter
  uint64_t stitch_bytes = 0;        // spans and records of stage 1, per partition
  uint64_t read_ahead_bytes = 0;    // fetched from Kafka and not read, per partition
  bool shrunk = false;
  uint64_t sum = 0;  // of all
};

// `wanted` without a limit or where half of it suffices, else all of them smaller by one factor.
QueueBounds FitQueues(const QueueBounds& wanted, const Config& config, uint64_t limit);

}  // namespace weft::cli
