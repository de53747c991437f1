#include "sources/ebpf/cpu_rings.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

#if WEFT_HAVE_BPF
#include <bpf/bpf.h>
#endif

namespace weft::ebpf {
namespace {
constexpr size_t kLeast = 4096;
constexpr unsigned kMostCpus = 8192;  // of any Linux on x86-64
}  // namespace

std::vector<unsigned> ParseCpuList(std::string_view text) {
  std::vector<unsigned> cpus;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end && *at != '\n') {
    unsigned first = 0;
    auto [next, error] = std::from_chars(at, end, first);
    if (error != std::errc{}) return {};
    unsigned last = first;
    if (next != end && *next == '-') {
      const auto range = std::from_chars(next + 1, end, last);
      if (range.ec != std::errc{}) return {};
      next = range.ptr;
    }
    if (last >= kMostCpus) return {};
    for (unsigned cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (next != end && *next == ',') ++next;
    at = next;
  }
  return cpus;
}

size_t CpuRingBytes(size_t shared_bytes, size_t most, size_t cpus) {
  const size_t share = std::bit_floor(shared_bytes / std::max<size_t>(cpus, 1));
  return std::max(std::min(share, most), kLeast);
}

#if WEFT_HAVE_BPF

Result<void> AddCpuRings(int rings_fd, size_t shared_bytes, size_t most, DataRings* rings) {
  std::string online;
  std::getline(std::ifstream("/sys/devices/system/cpu/online"), online);
  const std::vector<unsigned> cpus = ParseCpuList(online);
  const size_t bytes = CpuRingBytes(shared_bytes, most, cpus.size());
  for (const unsigned cpu : cpus) {
    const int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "weft_cpu_ring", 0, 0,
                                  static_cast<uint32_t>(bytes), nullptr);
    if (fd < 0)
      return Fail(errno == EPERM ? Code::kDenied : Code::kIo,
                  fmt::format("cannot make the ring of CPU {}: {}", cpu, strerror(errno)));
    auto ring = Ring::Map(fd, bytes);
    const int put = bpf_map_update_elem(rings_fd, &cpu, &fd, BPF_ANY);
    const int error = errno;
    close(fd);  // the map of rings and the mapping hold it
    if (!ring.has_value()) return std::unexpected(ring.error());
    if (put != 0)
      return Fail(Code::kIo,
                  fmt::format("cannot set the ring of CPU {}: {}", cpu, strerror(error)));
    rings->Add(std::move(*ring), bytes);
  }
  return {};
}

#endif

}  // namespace weft::ebpf
