// class_blocks.classes: which classes of spans (sql/span_class.h) each operation has in a block.
// Entries of 20 bytes in the order of the operations: 32 bits of the operation's number, 128 of its
// classes, little endian. Stored: nothing here may change.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft::sql {

struct ClassMask {
  uint32_t operation = 0;
  std::array<uint64_t, 2> bits{};

  void Add(int number) { bits[static_cast<size_t>(number >> 6) & 1] |= 1ULL << (number & 63); }
  bool Has(int number) const {
    return (bits[static_cast<size_t>(number >> 6) & 1] >> (number & 63) & 1) != 0;
  }
};

inline constexpr size_t kClassMaskBytes = 20;

inline void AppendMask(std::string& out, const ClassMask& mask) {
  for (int shift = 0; shift < 32; shift += 8)
    out.push_back(static_cast<char>(mask.operation >> shift));
  for (const uint64_t bits : mask.bits)
    for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(bits >> shift));
}

// Requires: number < masks.size() / kClassMaskBytes.
inline ClassMask ReadMask(std::string_view masks, size_t number) {
  const auto* const at =
      reinterpret_cast<const unsigned char*>(masks.data()) + number * kClassMaskBytes;
  ClassMask mask;
  for (size_t i = 0; i < 4; ++i) mask.operation |= uint32_t{at[i]} << (8 * i);
  for (size_t i = 0; i < 16; ++i) mask.bits[i / 8] |= uint64_t{at[4 + i]} << (8 * (i % 8));
  return mask;
}

}  // namespace weft::sql
