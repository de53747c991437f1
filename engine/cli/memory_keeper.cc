#include "engine/cli/memory_keeper.h"

#include <algorithm>
#include <utility>

#include <malloc.h>

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::cli {
namespace {

constexpr int64_t kLookEvery = 250 * kMillisecond;
// Of the limit. Between the second and the third nothing changes.
constexpr double kShort = 0.9, kTight = 0.8, kRoomy = 0.7;
constexpr double kStalledPercent = 10;
constexpr double kLeastShare = 1.0 / 64;
constexpr double kGrowth = 0.02;  // per look: all of it after 12 s

}  // namespace

double NextShare(double share, const MemoryUse& use) {
  if (use.limit == 0) return 1;
  const double used = static_cast<double>(use.used) / static_cast<double>(use.limit);
  // Who waits for memory while little of it is in use waits for the cache of files.
  const bool stalled = use.stalled >= kStalledPercent && used > 0.5;
  if (used > kShort || stalled) return std::max(share / 2, kLeastShare);
  if (used > kTight) return std::max(share * 0.8, kLeastShare);
  return used < kRoomy ? std::min(share + kGrowth, 1.0) : share;
}

MemoryKeeper::MemoryKeeper(MemoryShare& share, const plugin::Services& services, std::string root)
    : share_(share), services_(services), root_(std::move(root)) {}

void MemoryKeeper::Begin(const QueueBounds& wanted, const Config& config) {
  wanted_ = wanted;
  wanted_sum_ = FitQueues(wanted, config, 0).sum;
  const MemoryUse use = ReadMemoryUse(root_);
  Apply(use);
  const QueueBounds fit = FitQueues(wanted, config, MemoryLimit(root_));
  if (!fit.shrunk) return;
  services_.log.Warn(fmt::format(
      "the cgroup's memory limit is {}: queues are made smaller, {} in all; what they do not hold "
      "is dropped or decided early, and counted",
      ShortSize(MemoryLimit(root_)), ShortSize(fit.sum)));
}

void MemoryKeeper::Keep() {
  const int64_t now = services_.clock.MonotonicNs();
  if (now - looked_ns_ < kLookEvery) return;
  looked_ns_ = now;
  const MemoryUse use = ReadMemoryUse(root_);
  const double before = pressure_;
  pressure_ = NextShare(before, use);
  Apply(use);
  if (pressure_ < before) {
    services_.metrics.Get("memory.shrunk").Add();
    (void)malloc_trim(0);
    if (before == 1)
      services_.log.Warn(fmt::format(
          "memory is short: {} of the {} that the cgroup may have are in use; queues are made "
          "smaller until there is room again, and what they do not hold is dropped or decided "
          "early, and counted",
          ShortSize(use.used), ShortSize(use.limit)));
  } else if (pressure_ == 1 && before < 1) {
    services_.log.Warn("memory suffices again: queues have their size");
  }
}

void MemoryKeeper::Apply(const MemoryUse& use) {
  const uint64_t limit = MemoryLimit(root_);
  // The other half is for what is not bounded here: the program, dictionaries, rings, the store.
  const double fit =
      limit == 0 ? 1
                 : std::min(1.0, static_cast<double>(limit / 2) / static_cast<double>(wanted_sum_));
  share_.Set(fit * pressure_);
  const auto queues = static_cast<double>(wanted_sum_) * share_.Get();
  services_.metrics.Get("memory.queue_bytes").Set(static_cast<uint64_t>(queues));
  services_.metrics.Get("memory.used_bytes").Set(use.used);
  services_.metrics.Get("memory.limit_bytes").Set(use.limit);
}

}  // namespace weft::cli
