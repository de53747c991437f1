#include "engine/cli/memory_limit.h"

#include <algorithm>
#include <fstream>

namespace weft::cli {
namespace {

// Below it nothing flows.
constexpr uint64_t kLeastQueue = 4 << 20;
// Version 1 says "none" by a number near the largest.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

uint64_t ReadLimit(const std::string& path) {
  std::ifstream file(path);
  uint64_t bytes = 0;
  if (!(file >> bytes) || bytes == 0 || bytes >= kNoLimit) return 0;  // "max" is no number
  return bytes;
}

// Of the group and of those that it is in.
uint64_t SmallestUpwards(const std::string& mount, std::string group, const std::string& file) {
  uint64_t least = 0;
  while (true) {
    const uint64_t limit = ReadLimit(mount + group + "/" + file);
    if (limit != 0 && (least == 0 || limit < least)) least = limit;
    const size_t slash = group.rfind('/');
    if (slash == group.npos || group.empty()) return least;
    group.resize(slash);
  }
}

uint64_t Smaller(uint64_t a, uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

}  // namespace

uint64_t MemoryLimit(const std::string& root) {
  uint64_t least = 0;
  std::ifstream groups(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {  // "4:memory:/path", "0::/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1) == "/" ? "" : line.substr(second + 1);
    const std::string cgroup = root + "/sys/fs/cgroup";
    if (controllers == "memory")
      least = Smaller(least, SmallestUpwards(cgroup + "/memory", group, "memory.limit_in_bytes"));
    else if (controllers.empty())
      least = Smaller(least, SmallestUpwards(cgroup, group, "memory.max"));
  }
  return least;
}

QueueBounds FitQueues(const QueueBounds& wanted, const Config& config, uint64_t limit) {
  const auto partitions = static_cast<uint64_t>(std::max<int64_t>(config.partitions, 1));
  const auto exporters = std::max<uint64_t>(config.exporters.size(), 1);
  const auto sum = [&](const QueueBounds& b) {
    return b.transport_bytes + partitions * b.partition_bytes + exporters * b.export_queue_bytes;
  };
  QueueBounds out = wanted;
  out.sum = sum(wanted);
  // The other half is for what is not bounded here: the program, dictionaries, rings, the store.
  if (limit == 0 || out.sum <= limit / 2) return out;
  const double factor = static_cast<double>(limit / 2) / static_cast<double>(out.sum);
  for (uint64_t QueueBounds::*bound : {&QueueBounds::transport_bytes, &QueueBounds::partition_bytes,
                                       &QueueBounds::export_queue_bytes})
    out.*bound = std::min(
        wanted.*bound,
        std::max(kLeastQueue, static_cast<uint64_t>(static_cast<double>(wanted.*bound) * factor)));
  out.shrunk = true;
  out.sum = sum(out);
  return out;
}

}  // namespace weft::cli
