#include "sources/ebpf/ring.h"

#include <atomic>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/wire.h"

namespace weft::ebpf {
namespace {

// linux/bpf.h: each record has a header of two words, the length with two flags and an offset.
constexpr uint32_t kBusy = 1u << 31, kDiscarded = 1u << 30;
constexpr uint64_t kHeader = 8;

template <typename T>
T Acquire(const T* at) {
  return std::atomic_ref<T>(*const_cast<T*>(at)).load(std::memory_order_acquire);
}

// With its header, and what follows it up to the next.
uint64_t Whole(uint32_t size) { return (size + kHeader + 7) & ~uint64_t{7}; }

size_t PageSize() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace

Result<Ring> Ring::Map(int map_fd, size_t bytes) { return MapAt(map_fd, 0, bytes, 0); }

Result<Ring> Ring::MapOfCpu(int map_fd, unsigned cpu, size_t bytes) {
  if (PageSize() != WEFT_RING_PAGE)
    return Fail(Code::kUnsupported, fmt::format("pages of {} bytes", PageSize()));
  return MapAt(map_fd, cpu * WEFT_RING_VALUE(bytes), bytes, WEFT_RING_SLACK);
}

// A page that the reader writes, one that the kernel writes, the records, and what lies behind
// them. The kernel would map a ring's records twice in a row, but all of that counts as the agent's
// memory.
Result<Ring> Ring::MapAt(int map_fd, size_t offset, size_t bytes, size_t behind) {
  const size_t page = PageSize(), rest_size = page + bytes + behind;
  void* const consumer =
      mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, static_cast<off_t>(offset));
  if (consumer == MAP_FAILED)
    return Fail(Code::kIo, fmt::format("cannot map a ring: {}", strerror(errno)));
  void* const rest =
      mmap(nullptr, rest_size, PROT_READ, MAP_SHARED, map_fd, static_cast<off_t>(offset + page));
  if (rest == MAP_FAILED) {
    const int error = errno;
    munmap(consumer, page);
    return Fail(Code::kIo, fmt::format("cannot map a ring: {}", strerror(error)));
  }
  Ring ring(static_cast<uint64_t*>(consumer), static_cast<const uint64_t*>(rest),
            static_cast<const uint8_t*>(rest) + page, bytes, behind);
  ring.consumer_page_ = consumer;
  ring.rest_ = rest;
  ring.rest_size_ = rest_size;
  return ring;
}

Ring::Ring(uint64_t* consumer, const uint64_t* producer, const uint8_t* data, size_t bytes,
           size_t behind)
    : consumer_(consumer), producer_(producer), begin_(data), bytes_(bytes), behind_(behind) {
  at_ = released_ = end_ = Acquire(consumer_);
}

Ring::Ring(Ring&& other) noexcept
    : consumer_(other.consumer_),
      producer_(other.producer_),
      begin_(other.begin_),
      bytes_(other.bytes_),
      behind_(other.behind_),
      garbled_(other.garbled_),
      at_(other.at_),
      released_(other.released_),
      end_(other.end_),
      data_(other.data_),
      size_(other.size_),
      joined_(std::move(other.joined_)),
      consumer_page_(std::exchange(other.consumer_page_, nullptr)),
      rest_(std::exchange(other.rest_, nullptr)),
      rest_size_(other.rest_size_) {}

Ring::~Ring() {
  if (consumer_page_ != nullptr) munmap(consumer_page_, PageSize());
  if (rest_ != nullptr) munmap(rest_, rest_size_);
}

size_t Ring::Look() {
  end_ = Acquire(producer_);
  if (data_ == nullptr) Find();
  return end_ - at_;
}

void Ring::Find() {
  data_ = nullptr;
  while (at_ < end_) {
    const uint8_t* const header = begin_ + (at_ & (bytes_ - 1));
    const uint32_t length = Acquire(reinterpret_cast<const uint32_t*>(header));
    if ((length & kBusy) != 0) return;
    size_ = length & ~kDiscarded;
    const uint64_t whole = Whole(size_);
    if (size_ == 0 || whole > end_ - at_ || whole > (behind_ != 0 ? behind_ : bytes_)) {
      ++garbled_;
      at_ = end_;
      return;
    }
    if ((length & kDiscarded) == 0) {
      data_ = behind_ != 0 ? header + kHeader : Joined(header + kHeader);
      return;
    }
    at_ += whole;
  }
}

const void* Ring::Joined(const uint8_t* record) {
  const size_t first = static_cast<size_t>(begin_ + bytes_ - record);
  if (size_ <= first) return record;
  joined_.resize((size_ + 7) / 8);
  std::memcpy(joined_.data(), record, first);
  std::memcpy(reinterpret_cast<uint8_t*>(joined_.data()) + first, begin_, size_ - first);
  return joined_.data();
}

void Ring::Pass() {
  at_ += Whole(size_);
  if (at_ - released_ >= bytes_ / 8) Release();
  Find();
}

void Ring::Release() {
  if (released_ == at_) return;
  released_ = at_;
  std::atomic_ref<uint64_t>(*consumer_).store(at_, std::memory_order_release);
}

}  // namespace weft::ebpf
