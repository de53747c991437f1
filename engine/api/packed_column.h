// PackedColumn: the integers of one column of a weft.events record, read where the message has
// them.
//
// Value i is base + the i-th little-endian number of 0, 1, 2, 4 or 8 bytes. The width is asked once
// per run where many values are read: Scatter and Expand. A default-constructed column is all zero.
// A view: the message owns the bytes. Cheap to copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weft::api {

class PackedColumn {
 public:
  PackedColumn() = default;
  // Requires: data is aligned to width and outlives the column.
  PackedColumn(const void* data, uint8_t width, uint64_t base)
      : data_(data), base_(base), width_(width), present_(true) {}

  // False: the record says nothing of this column.
  bool present() const { return present_; }
  bool AllZero() const { return width_ == 0 && base_ == 0; }
  uint8_t width() const { return width_; }

  uint64_t operator[](size_t i) const {
    switch (width_) {
      case 1: return base_ + At<uint8_t>(i);
      case 2: return base_ + At<uint16_t>(i);
      case 4: return base_ + At<uint32_t>(i);
      case 8: return base_ + At<uint64_t>(i);
      default: return base_;
    }
  }

  // visit(at), with at(i) the value: compiled once per width.
  template <typename Visit>
  void Widen(Visit&& visit) const {
    // By value: what visit writes cannot change them.
    const auto each = [&visit, base = base_, data = data_](auto type) {
      using T = decltype(type);
      return visit([base, data](size_t i) { return base + static_cast<const T*>(data)[i]; });
    };
    switch (width_) {
      case 1: return each(uint8_t{});
      case 2: return each(uint16_t{});
      case 4: return each(uint32_t{});
      case 8: return each(uint64_t{});
      default: return visit([base = base_](size_t) { return base; });
    }
  }
  // visit(data): the numbers as they lie there, without the base. Requires: width() is not 0.
  template <typename Visit>
  void Stored(Visit&& visit) const {
    switch (width_) {
      case 1: return visit(static_cast<const uint8_t*>(data_));
      case 2: return visit(static_cast<const uint16_t*>(data_));
      case 4: return visit(static_cast<const uint32_t*>(data_));
      default: return visit(static_cast<const uint64_t*>(data_));
    }
  }
  // out[i] = value of rows[i].
  template <typename T>
  void Gather(const uint32_t* rows, size_t n, T* out) const {
    Widen([&](auto at) {
      for (size_t i = 0; i < n; ++i) out[i] = static_cast<T>(at(rows[i]));
    });
  }
  // out[to[i]] = value of rows[i].
  template <typename T>
  void Scatter(const uint32_t* rows, const uint32_t* to, size_t n, T* out) const {
    Widen([&](auto at) {
      for (size_t i = 0; i < n; ++i) out[to[i]] = static_cast<T>(at(rows[i]));
    });
  }
  // The values [first, first + n).
  template <typename T>
  void Expand(size_t first, size_t n, T* out) const {
    Widen([&](auto at) {
      for (size_t i = 0; i < n; ++i) out[i] = static_cast<T>(at(first + i));
    });
  }

 private:
  template <typename T>
  T At(size_t i) const {
    return static_cast<const T*>(data_)[i];
  }
  const void* data_ = nullptr;
  uint64_t base_ = 0;
  uint8_t width_ = 0;
  bool present_ = false;
};

}  // namespace weft::api
