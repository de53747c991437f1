#include "plugins/correlator-token/token_counts.h"

#include <algorithm>
#include <utility>

namespace weft::plugins::token {

// Keys are mixed already: their low bits but the last are as good as any.
size_t TokenCounts::Find(uint32_t key) const {
  const size_t mask = slots_.size() - 1;
  size_t i = (key >> 1) & mask;
  while (slots_[i].key != 0 && slots_[i].key != key) i = (i + 1) & mask;
  return i;
}

float TokenCounts::Get(uint32_t key) const { return slots_.empty() ? 0 : slots_[Find(key)].count; }

void TokenCounts::Add(uint32_t key, float by) {
  if ((used_ + 1) * 2 > slots_.size() && slots_.size() < 2 * kMaxEntries)
    Rebuild(std::max<size_t>(64, slots_.size() * 2), 1);
  size_t i = Find(key);
  if (slots_[i].key == 0) {
    while (used_ >= kMaxEntries) Rebuild(slots_.size(), 0.5f);
    i = Find(key);
    slots_[i].key = key;
    ++used_;
  }
  slots_[i].count += by;
}

void TokenCounts::Rebuild(size_t size, float factor) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(size));
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.key == 0 || (factor < 1 && slot.count * factor < 1)) continue;
    slots_[Find(slot.key)] = {slot.key, slot.count * factor};
    ++used_;
  }
}

}  // namespace weft::plugins::token
