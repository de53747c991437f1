// GrowingColumns: rows that come one at a time and are written column by column.
//
// What stage 1 gathers for weft.links and weft.labels, and the codec copies whole columns of. There
// is one look for room per row, not one per column; memory is kept from batch to batch. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>

namespace weft::api {

template <typename... T>
class GrowingColumns {
  static_assert((std::is_trivially_copyable_v<T> && ...));

 public:
  void Add(T... values) {
    const size_t row = size_;  // for all columns: a store into one might be a store into size_
    if (row == capacity_) Grow();
    std::apply([&](auto&... column) { ((column[row] = values), ...); }, columns_);
    size_ = row + 1;
  }
  void Clear() { size_ = 0; }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // read(const T*...): the columns, of size() values each.
  template <typename Read>
  void Columns(Read&& read) const {
    std::apply([&](const auto&... column) { read(column.get()...); }, columns_);
  }

 private:
  void Grow() {
    capacity_ = std::max<size_t>(2 * capacity_, 16);
    const auto widen = [&]<typename V>(std::unique_ptr<V[]>& column) {
      auto wider = std::make_unique_for_overwrite<V[]>(capacity_);
      std::copy_n(column.get(), size_, wider.get());
      column = std::move(wider);
    };
    std::apply([&](auto&... column) { (widen(column), ...); }, columns_);
  }

  std::tuple<std::unique_ptr<T[]>...> columns_;
  size_t size_ = 0, capacity_ = 0;
};

}  // namespace weft::api
