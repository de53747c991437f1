#include "engine/cli/memory_limit.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "engine/base/memory_share.h"

namespace weft::cli {
namespace {

// Version 1 says "none" by a number near the largest.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

uint64_t ReadLimit(const std::string& path) {
  std::ifstream file(path);
  uint64_t bytes = 0;
  if (!(file >> bytes) || bytes == 0 || bytes >= kNoLimit) return 0;  // "max" is no number
  return bytes;
}

// The files of one version of cgroups.
struct Files {
  const char *limit, *soft_limit, *used, *reclaimable[3];
};
constexpr Files kVersion1 = {"memory.limit_in_bytes",
                             nullptr,
                             "memory.usage_in_bytes",
                             {"total_inactive_file", "total_active_file", ""}};
constexpr Files kVersion2 = {"memory.max",
                             "memory.high",
                             "memory.current",
                             {"inactive_file", "active_file", "slab_reclaimable"}};
// Who uses less of a group's memory than this part cannot relieve it.
constexpr uint64_t kLeastPart = 4;

uint64_t Smaller(uint64_t a, uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

MemoryUse ReadUse(const std::string& group, const Files& files) {
  MemoryUse use;
  use.limit = ReadLimit(group + files.limit);
  if (files.soft_limit) use.limit = Smaller(use.limit, ReadLimit(group + files.soft_limit));
  use.used = ReadLimit(group + files.used);
  std::ifstream stat(group + "memory.stat");
  std::string name;
  for (uint64_t bytes = 0; stat >> name >> bytes;)
    if (std::ranges::find(files.reclaimable, name) != std::end(files.reclaimable))
      use.used -= std::min(use.used, bytes);
  std::ifstream pressure(group + "memory.pressure");  // some avg10=0.00 avg60=...
  if (pressure >> name >> name && name.starts_with("avg10="))
    use.stalled = std::strtod(name.c_str() + 6, nullptr);
  return use;
}

// Calls `visit` for each of this process's memory cgroups, and for those that they are in: from the
// innermost one outwards.
template <typename Visit>
void EachGroup(const std::string& root, const Visit& visit) {
  std::ifstream groups(root + "/proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {  // "4:memory:/path", "0::/path"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1) == "/" ? "" : line.substr(second + 1);
    if (controllers != "memory" && !controllers.empty()) continue;
    const std::string mount = root + "/sys/fs/cgroup" + (controllers.empty() ? "" : "/memory");
    while (true) {
      visit(mount + group + "/", controllers.empty() ? kVersion2 : kVersion1);
      const size_t slash = group.rfind('/');
      if (slash == group.npos || group.empty()) break;
      group.resize(slash);
    }
  }
}

}  // namespace

uint64_t MemoryLimit(const std::string& root) {
  uint64_t least = 0;
  EachGroup(root, [&](const std::string& group, const Files& files) {
    least = Smaller(least, ReadLimit(group + files.limit));
    if (files.soft_limit) least = Smaller(least, ReadLimit(group + files.soft_limit));
  });
  return least;
}

MemoryUse ReadMemoryUse(const std::string& root) {
  const auto ratio = [](const MemoryUse& use) {
    return static_cast<double>(use.used) / static_cast<double>(use.limit);
  };
  MemoryUse nearest;
  uint64_t own = 0;  // of the innermost group that is accounted for
  EachGroup(root, [&](const std::string& group, const Files& files) {
    const MemoryUse use = ReadUse(group, files);
    if (own == 0) own = use.used;
    if (use.limit == 0 || own < use.used / kLeastPart) return;
    if (nearest.limit == 0 || ratio(use) > ratio(nearest)) nearest = use;
  });
  return nearest;
}

QueueBounds FitQueues(const QueueBounds& wanted, const Config& config, uint64_t limit) {
  const auto partitions = static_cast<uint64_t>(std::max<int64_t>(config.partitions, 1));
  const auto exporters = std::max<uint64_t>(config.exporters.size(), 1);
  const auto sum = [&](const QueueBounds& b) {
    return b.transport_bytes +
           partitions * (b.partition_bytes + b.stitch_bytes + b.read_ahead_bytes) +
           exporters * b.export_queue_bytes;
  };
  QueueBounds out = wanted;
  out.sum = sum(wanted);
  // The other half is for what is not bounded here: the program, dictionaries, rings, the store.
  if (limit == 0 || out.sum <= limit / 2) return out;
  const double factor = static_cast<double>(limit / 2) / static_cast<double>(out.sum);
  for (uint64_t QueueBounds::*bound : {&QueueBounds::transport_bytes, &QueueBounds::partition_bytes,
                                       &QueueBounds::export_queue_bytes, &QueueBounds::stitch_bytes,
                                       &QueueBounds::read_ahead_bytes})
    out.*bound =
        std::min(wanted.*bound,
                 std::max(uint64_t{MemoryShare::kLeastBytes},
                          static_cast<uint64_t>(static_cast<double>(wanted.*bound) * factor)));
  out.shrunk = true;
  out.sum = sum(out);
  return out;
}

}  // namespace weft::cli
