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
    open_.clear();
    for (uint32_t row = 0; row < w.n;) {
      // Requests that begin in the same nanosecond as a call count as open whatever the row order.
      uint32_t end = row;
      while (end < w.n && w.start_ns[end] == w.start_ns[row]) {
        if (IsServer(w, end)) open_.push_back(end);
        ++end;
      }
      bool swept = false;
      for (; row < end; ++row) {
        if (!IsClient(w, row)) continue;
        if (!swept) Sweep(w, w.start_ns[row]);
        swept = true;
        f(row, open_);
      }
    }
  }

 private:
  void Sweep(const weft_spans& w, int64_t now) {
    size_t kept = 0;
    for (const uint32_t row : open_)
      if (w.end_ns[row] == 0 || w.end_ns[row] >= now) open_[kept++] = row;
    open_.resize(kept);
  }

  std::vector<uint32_t> open_;
};

}  // namespace weft::sdk
