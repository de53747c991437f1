#include "sources/ebpf/cpu_rings.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace weft::ebpf {
namespace {
constexpr size_t kLeast = 4096;
}  // namespace

size_t CpuRingBytes(size_t shared_bytes, size_t most, size_t cpus) {
  const size_t share = std::bit_floor(shared_bytes / std::max<size_t>(cpus, 1));
  return std::max(std::min(share, most), kLeast);
}

Result<void> AddCpuRings(int map_fd, size_t bytes, size_t cpus, DataRings* rings) {
  for (unsigned cpu = 0; cpu < cpus; ++cpu) {
    auto ring = Ring::MapOfCpu(map_fd, cpu, bytes);
    if (!ring.has_value()) return std::unexpected(ring.error());
    rings->Add(std::move(*ring), bytes);
  }
  return {};
}

}  // namespace weft::ebpf
