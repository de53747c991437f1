#include "plugins/correlator-delay/count_map.h"

#include <algorithm>
#include <utility>

namespace weft::plugins::delay {

void CountMap::Clear() {
  const size_t size = std::max<size_t>(256, 4 * used_ >= keys_.size() ? keys_.size() : 0);
  keys_.assign(size, 0);
  counts_.assign(size, 0);
  used_ = 0;
}

float& CountMap::At(uint64_t key) {
  if (key == 0) key = 1;
  if (2 * used_ >= keys_.size()) Grow();
  size_t i = key & (keys_.size() - 1);
  while (keys_[i] != 0 && keys_[i] != key) i = (i + 1) & (keys_.size() - 1);
  if (keys_[i] == 0) {
    keys_[i] = key;
    ++used_;
  }
  return counts_[i];
}

float CountMap::Get(uint64_t key) const {
  if (key == 0) key = 1;
  size_t i = key & (keys_.size() - 1);
  while (keys_[i] != 0 && keys_[i] != key) i = (i + 1) & (keys_.size() - 1);
  return counts_[i];
}

void CountMap::Scale(float factor, float floor) {
  for (float& count : counts_) {
    count *= factor;
    if (count < floor) count = 0;
  }
}

void CountMap::Grow() {
  size_t live = 0;
  Each([&live](uint64_t, float) { ++live; });
  std::vector<uint64_t> keys(4 * live > keys_.size() ? 2 * keys_.size() : keys_.size(), 0);
  std::vector<float> counts(keys.size(), 0);
  keys.swap(keys_);
  counts.swap(counts_);
  used_ = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == 0 || counts[i] <= 0) continue;
    size_t slot = keys[i] & (keys_.size() - 1);
    while (keys_[slot] != 0) slot = (slot + 1) & (keys_.size() - 1);
    keys_[slot] = keys[i];
    counts_[slot] = counts[i];
    ++used_;
  }
}

}  // namespace weft::plugins::delay
