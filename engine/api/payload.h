// Payload: the encoded bytes of one record, 8-byte aligned so that columns can be read in place.
//
// Written once by its maker (the codec, a recording's reader), then shared read-only. Owners: the
// log until its offset is committed, and every decoded view that still points into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace weft::api {

class Payload {
 public:
  explicit Payload(size_t bytes) : words_(new uint64_t[(bytes + 7) / 8]()), size_(bytes) {}
  // Not zeroed but for the last word: for who writes every byte. In builds with assertions it is
  // full of kUnwritten, so that a test sees what nobody wrote.
  struct Unwritten {};
  static constexpr unsigned char kUnwritten = 0xa5;
  Payload(Unwritten, size_t bytes) : words_(new uint64_t[(bytes + 7) / 8]), size_(bytes) {
#ifndef NDEBUG
    std::memset(words_.get(), kUnwritten, (bytes + 7) / 8 * 8);
#endif
    if (bytes != 0) words_[(bytes - 1) / 8] = 0;
  }
  char* data() { return reinterpret_cast<char*>(words_.get()); }
  // Requires: bytes is not more than the size so far.
  void Truncate(size_t bytes) { size_ = bytes; }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(words_.get()), size_}; }

 private:
  std::unique_ptr<uint64_t[]> words_;
  size_t size_;
};
using PayloadPtr = std::shared_ptr<const Payload>;
PayloadPtr CopyPayload(std::string_view bytes);

}  // namespace weft::api
