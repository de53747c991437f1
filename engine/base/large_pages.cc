#include "engine/base/large_pages.h"

#include <cstdlib>

#include <malloc.h>
#include <sys/mman.h>

namespace weft {

void* AllocateHuge(size_t bytes) {
  const size_t rounded = (bytes + kHugePage - 1) & ~(kHugePage - 1);
  void* const memory = std::aligned_alloc(kHugePage, rounded);
  // Refused where the kernel has no huge pages: then it is memory as any other.
  if (memory != nullptr) madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

void FreeHuge(void* memory) { std::free(memory); }

void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

}  // namespace weft
