// The rings that CPUs write their data records into first. Used by Loader.
#pragma once

#include <cstddef>

#include "engine/base/result.h"
#include "sources/ebpf/data_rings.h"

namespace weft::ebpf {

// Of one CPU's ring, where the shared one has `shared_bytes` and no ring shall be larger than
// `most`: a power of two.
size_t CpuRingBytes(size_t shared_bytes, size_t most, size_t cpus);

// Maps those of all CPUs that may ever be. kIo.
Result<void> AddCpuRings(int map_fd, size_t bytes, size_t cpus, DataRings* rings);

}  // namespace weft::ebpf
