// Protobuf as bytes appended to a string: what OTLP needs of it, with lengths that are known before
// the bytes are written. For sinks/otlp. Pure; any thread.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <protozero/varint.hpp>

namespace weft::sinks::proto {

// Field numbers below 16 only: one byte of tag.
constexpr char VarintTag(unsigned field) { return static_cast<char>(field << 3); }
constexpr char Fixed64Tag(unsigned field) { return static_cast<char>(field << 3 | 1); }
constexpr char BytesTag(unsigned field) { return static_cast<char>(field << 3 | 2); }

inline size_t VarintSize(uint64_t value) {
  return static_cast<size_t>(protozero::length_of_varint(value));
}
// Of a field with `size` bytes of content: tag, length, content.
inline size_t BytesSize(size_t size) { return 1 + VarintSize(size) + size; }

inline void AppendVarint(std::string& out, uint64_t value) {
  char bytes[10];
  out.append(bytes, static_cast<size_t>(protozero::add_varint_to_buffer(bytes, value)));
}
inline void AppendHeader(std::string& out, unsigned field, size_t size) {
  out.push_back(BytesTag(field));
  AppendVarint(out, size);
}
inline void AppendBytes(std::string& out, unsigned field, std::string_view bytes) {
  AppendHeader(out, field, bytes.size());
  out.append(bytes);
}
inline void AppendNumber(std::string& out, unsigned field, uint64_t value) {
  out.push_back(VarintTag(field));
  AppendVarint(out, value);
}
// little-endian, as every machine that weft runs on
inline void AppendFixed64(std::string& out, unsigned field, uint64_t value) {
  char bytes[9] = {Fixed64Tag(field)};
  std::memcpy(bytes + 1, &value, 8);
  out.append(bytes, 9);
}
inline void AppendBigEndian(std::string& out, uint64_t value) {
  value = std::byteswap(value);
  char bytes[8];
  std::memcpy(bytes, &value, 8);
  out.append(bytes, 8);
}

}  // namespace weft::sinks::proto
