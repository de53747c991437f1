// RadixSort: orders (key, value) items by a key of few significant bits, for hot paths where a
// comparison sort's mispredicted branches cost more than three passes over the data.
//
// Stable. `scratch` keeps its capacity from call to call. Small inputs are sorted by comparison.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft {

struct SortItem {
  uint64_t key;
  uint32_t value;
};

inline void RadixSort(std::vector<SortItem>& items, std::vector<SortItem>& scratch) {
  constexpr int kDigit = 11;
  constexpr size_t kBuckets = size_t{1} << kDigit;
  const size_t n = items.size();
  uint64_t used = 0;
  for (const SortItem& item : items) used |= item.key;
  const int bits = static_cast<int>(std::bit_width(used));
  if (n < 192 || bits > 4 * kDigit) {
    std::stable_sort(items.begin(), items.end(),
                     [](const SortItem& a, const SortItem& b) { return a.key < b.key; });
    return;
  }
  scratch.resize(n);
  uint32_t first[kBuckets];
  for (int shift = 0; shift < bits; shift += kDigit) {
    std::fill(first, first + kBuckets, 0);
    for (const SortItem& item : items) ++first[item.key >> shift & (kBuckets - 1)];
    uint32_t at = 0;
    for (uint32_t& count : first) at += std::exchange(count, at);
    for (const SortItem& item : items) scratch[first[item.key >> shift & (kBuckets - 1)]++] = item;
    items.swap(scratch);
  }
}

}  // namespace weft
