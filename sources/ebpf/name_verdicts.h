// NameVerdicts: remembers what names turned out to be, because the same few come again and again
// and judging one takes twenty times as long. Exact: another name never gets the verdict. Bounded:
// a new name takes the place of an older one. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sources/ebpf/quick_hash.h"

namespace weft::ebpf {

class NameVerdicts {
 public:
  // `judge(name)`, or what it said the last time.
  template <typename Judge>
  bool Of(std::string_view name, const Judge& judge) {
    if (name.empty() || name.size() > kMaxName) return judge(name);
    Known& known = known_[QuickHash(name) % kSlots];
    if (SameText({known.name.data(), known.size}, name)) return known.verdict;
    known.verdict = judge(name);
    known.size = static_cast<uint8_t>(name.size());
    std::memcpy(known.name.data(), name.data(), name.size());
    return known.verdict;
  }

 private:
  static constexpr size_t kSlots = 512, kMaxName = 30;
  struct Known {
    uint8_t size = 0;  // 0: free
    bool verdict = false;
    std::array<char, kMaxName> name{};
  };
  std::array<Known, kSlots> known_{};
};

}  // namespace weft::ebpf
