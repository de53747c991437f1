#include "plugins/correlator-delay/count_map.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "plugins/correlator-delay/fading.h"

namespace weft::plugins::delay {

void CountMap::Clear() {
  const size_t size = std::max<size_t>(256, 4 * used_ >= slots_.size() ? slots_.size() : 0);
  slots_.assign(size, {});
  used_ = 0;
}

float& CountMap::At(uint64_t hash) {
  if (2 * used_ >= slots_.size()) Rebuild(2 * slots_.size());
  const uint32_t key = KeyOf(hash);
  size_t i = key & (slots_.size() - 1);
  while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  if (slots_[i].key == 0) {
    slots_[i].key = key;
    ++used_;
  }
  return slots_[i].count;
}

float CountMap::Get(uint64_t hash) const {
  const uint32_t key = KeyOf(hash);
  size_t i = key & (slots_.size() - 1);
  while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
  return slots_[i].count;
}

void CountMap::Scale(float factor) {
  for (Slot& slot : slots_) slot.count = Faded(slot.count, factor);
  Rebuild(slots_.size());
}

void CountMap::Bound(size_t most) {
  if (used_ <= most) return;
  std::vector<float> counts;
  for (const Slot& slot : slots_)
    if (slot.key != 0) counts.push_back(slot.count);
  const auto cut = counts.begin() + static_cast<ptrdiff_t>(most);
  std::ranges::nth_element(counts, cut, std::greater<>());
  const float limit = *cut;
  for (Slot& slot : slots_)
    if (slot.count <= limit) slot.count = 0;
  Rebuild(slots_.size());
}

std::vector<CountMap::Slot> CountMap::Sorted() const {
  std::vector<Slot> out;
  for (const Slot& slot : slots_)
    if (slot.key != 0) out.push_back(slot);
  std::ranges::sort(out, {}, &Slot::key);
  return out;
}

// Without the keys whose count is 0.
void CountMap::Rebuild(size_t size) {
  std::vector<Slot> slots(size);
  slots.swap(slots_);
  used_ = 0;
  for (const Slot& slot : slots) {
    if (slot.count <= 0) continue;
    size_t i = slot.key & (size - 1);
    while (slots_[i].key != 0) i = (i + 1) & (size - 1);
    slots_[i] = slot;
    ++used_;
  }
}

}  // namespace weft::plugins::delay
