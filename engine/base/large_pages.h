// What large, randomly read tables live in: memory that the kernel may back by huge pages.
//
// A table of many megabytes that is read at random misses the TLB at nearly every look, which in a
// virtual machine costs more than the read itself. From 2 MB on, LargeAllocator gives memory that
// is aligned to huge pages and asks the kernel for them (transparent_hugepage=madvise or always;
// elsewhere nothing changes). Below that it is the ordinary allocator. Stateless; any thread.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace weft {

inline constexpr size_t kHugePage = size_t{2} << 20;

// Aligned to huge pages, which are asked for; nullptr when there is no memory. FreeHuge gives it
// back. Requires: bytes is not 0.
void* AllocateHuge(size_t bytes);
void FreeHuge(void* memory);

// For a process that makes and drops large records all the time: the heap keeps what is freed, up
// to 128 MB, rather than giving it back to the kernel only to fault it in again.
void KeepFreedMemory();

template <typename T>
struct LargeAllocator {
  using value_type = T;
  LargeAllocator() = default;
  template <typename U>
  LargeAllocator(const LargeAllocator<U>&) {}

  T* allocate(size_t n) {
    const size_t bytes = n * sizeof(T);
    if (bytes < kHugePage) return static_cast<T*>(::operator new(bytes));
    void* const memory = AllocateHuge(bytes);
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t n) {
    if (n * sizeof(T) < kHugePage) return ::operator delete(memory);
    FreeHuge(memory);
  }
  friend bool operator==(const LargeAllocator&, const LargeAllocator&) { return true; }
};

template <typename T>
using LargeVector = std::vector<T, LargeAllocator<T>>;

}  // namespace weft
