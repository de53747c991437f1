// Ring: one BPF ring buffer, or a CPU's own ring (bpf/wire.h), as its reader sees it.
//
// Records are read in place: Look; (data Pass)*; Release. What was passed goes back to the kernel
// in larger pieces, by Release at the latest: the CPU that writes next must fetch the word that
// says so. Movable, unmaps at its end. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace weft::ebpf {

class Ring {
 public:
  // `bytes`: the map's max_entries. kIo.
  static Result<Ring> Map(int map_fd, size_t bytes);
  // The one of this CPU in the map of CPUs' rings. kIo.
  static Result<Ring> MapOfCpu(int map_fd, unsigned cpu, size_t bytes);
  // Over memory laid out as the kernel does. A record may go on in the `behind` bytes after the end
  // of `data`, the slack of a CPU's ring; where there are none it goes on at the beginning. Lends
  // it.
  Ring(uint64_t* consumer, const uint64_t* producer, const uint8_t* data, size_t bytes,
       size_t behind);
  Ring(Ring&& other) noexcept;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // Takes note of how far the kernel has come, and returns the bytes that are waiting.
  size_t Look();
  // The first record not passed: null where the kernel had not written it whole.
  const void* data() const { return data_; }
  size_t size() const { return size_; }
  // Requires: data() is not null.
  void Pass();
  void Release();
  // How often what should have been a record was none, so far. All that had been written by then
  // was passed over: where a record begins is known again behind it.
  uint64_t garbled() const { return garbled_; }

 private:
  static Result<Ring> MapAt(int map_fd, size_t offset, size_t bytes, size_t behind);
  void Find();
  const void* Joined(const uint8_t* record);

  uint64_t* consumer_;
  const uint64_t* producer_;
  const uint8_t* begin_;
  size_t bytes_, behind_;
  uint64_t garbled_ = 0;
  uint64_t at_ = 0, released_ = 0, end_ = 0;  // positions since the ring was made
  const void* data_ = nullptr;
  uint32_t size_ = 0;
  std::vector<uint64_t> joined_;  // the record at data_, where it lies in two pieces
  void *consumer_page_ = nullptr, *rest_ = nullptr;  // to unmap
  size_t rest_size_ = 0;
};

}  // namespace weft::ebpf
