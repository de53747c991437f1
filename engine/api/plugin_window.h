// For authors of correlators: walks the calls of a window, each with the requests open at its
// begin.
//
// C++20, no dependency but plugin_abi.h. Keep one OpenRequests per instance: after the first
// windows nothing is allocated. Everything is lent for the call.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "plugin_abi.h"

namespace weft::sdk {

inline bool IsServer(const weft_spans& w, uint32_t row) {
  return w.kind[row] == WEFT_KIND_SERVER || w.kind[row] == WEFT_KIND_CONSUMER;
}
inline bool IsClient(const weft_spans& w, uint32_t row) {
  return w.kind[row] == WEFT_KIND_CLIENT || w.kind[row] == WEFT_KIND_PRODUCER;
}
inline uint8_t RoleOf(const weft_spans& w, uint32_t row) {
  return w.role == nullptr ? uint8_t{WEFT_ROLE_DECIDE} : w.role[row];
}
// A call that wants a parent now.
inline bool WantsParent(const weft_spans& w, uint32_t row) {
  return IsClient(w, row) && RoleOf(w, row) == WEFT_ROLE_DECIDE;
}
inline std::string_view StringOf(const weft_spans& w, const uint32_t* column, uint32_t row) {
  if (column == nullptr) return {};
  const weft_str s = w.strings[column[row]];
  return {s.data, static_cast<size_t>(s.size)};
}

class OpenRequests {
 public:
  // Calls f(row, open) for each client row in time order; `open` holds the server rows that began
  // no later and had not ended, oldest first: exactly the candidates that the engine accepts.
  template <class F>
  void ForEachCall(const weft_spans& w, F&& f) {
    ForEachCall(w, nullptr,
                [&f](uint32_t row, const std::vector<uint32_t>& open,
                     const std::vector<uint32_t>&) { f(row, open); });
  }

  // The same with f(row, open, values): what `column` says of each open one; nullptr: zeros.
  template <class F>
  void ForEachCall(const weft_spans& w, const uint32_t* column, F&& f) {
    open_.clear();
    end_.clear();
    value_.clear();
    next_end_ = INT64_MAX;
    for (uint32_t row = 0; row < w.n;) {
      // Requests that begin in the same nanosecond as a call count as open whatever the row order.
      uint32_t end = row;
      for (; end < w.n && w.start_ns[end] == w.start_ns[row]; ++end)
        if (IsServer(w, end)) Open(w, end, column == nullptr ? 0 : column[end]);
      for (; row < end; ++row) {
        if (!IsClient(w, row)) continue;
        if (next_end_ < w.start_ns[row]) Sweep(w.start_ns[row]);
        f(row, static_cast<const std::vector<uint32_t>&>(open_),
          static_cast<const std::vector<uint32_t>&>(value_));
      }
    }
  }

 private:
  void Open(const weft_spans& w, uint32_t row, uint32_t value) {
    const int64_t end = w.end_ns[row] == 0 ? INT64_MAX : w.end_ns[row];
    open_.push_back(row);
    end_.push_back(end);
    value_.push_back(value);
    if (end < next_end_) next_end_ = end;
  }
  // Without a branch on what the data say: which of them has ended cannot be foreseen.
  void Sweep(int64_t now) {
    size_t kept = 0;
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < open_.size(); ++i) {
      const int64_t end = end_[i];
      open_[kept] = open_[i];
      value_[kept] = value_[i];
      end_[kept] = end;
      kept += end >= now;
      const int64_t candidate = end >= now ? end : INT64_MAX;
      next = candidate < next ? candidate : next;
    }
    open_.resize(kept);
    value_.resize(kept);
    end_.resize(kept);
    next_end_ = next;
  }

  std::vector<uint32_t> open_;
  std::vector<uint32_t> value_;  // of each of them
  std::vector<int64_t> end_;     // the same; INT64_MAX while open
  int64_t next_end_ = INT64_MAX;
};

}  // namespace weft::sdk
