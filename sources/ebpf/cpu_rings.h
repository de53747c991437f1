// AddCpuRings: gives each CPU the ring that its data records go into first. Used by Loader.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "sources/ebpf/data_rings.h"

namespace weft::ebpf {

// Numbers of a kernel list such as "0-3,8"; empty where it is none.
std::vector<unsigned> ParseCpuList(std::string_view text);

// Of one CPU's ring, where the shared one has `shared_bytes` and no ring shall be larger than
// `most`: a power of two.
size_t CpuRingBytes(size_t shared_bytes, size_t most, size_t cpus);

// Makes them for the CPUs that are online and puts them into the map of rings; a CPU that comes
// later uses the shared ring. kIo, kDenied.
Result<void> AddCpuRings(int rings_fd, size_t shared_bytes, size_t most, DataRings* rings);

}  // namespace weft::ebpf
