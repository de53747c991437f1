#include "engine/api/dictionary.h"

#include <algorithm>

#include "engine/base/hash.h"
#include "engine/base/text_words.h"

namespace weft::api {
namespace {

constexpr size_t kFirstSlots = 64;

uint32_t HashPair(uint32_t key, uint8_t type, uint64_t value) {
  return static_cast<uint32_t>(
      Mix64(value ^ (static_cast<uint64_t>(key) << 8 | type) * 0x9e3779b97f4a7c15ULL));
}

// Of this process only, so it may be any good hash: eight bytes at a time.
uint32_t HashBytes(std::string_view text) {
  uint64_t h = text.size() * 0x9e3779b97f4a7c15ULL;
  const char* at = text.data();
  size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    h = (h ^ LoadWord<uint64_t>(at)) * 0xbf58476d1ce4e5b9ULL;
    h ^= h >> 29;
  }
  // The last eight bytes: some of them once more.
  const uint64_t word = left != 0 && text.size() >= 8
                            ? LoadWord<uint64_t>(text.data() + text.size() - 8)
                            : ShortWord({at, left});
  return static_cast<uint32_t>(Mix64(h ^ word) >> 32);
}

// Empties the slots for a batch that will be about as large as the last one.
void ClearSlots(std::vector<DictionarySlot>& slots, size_t entries) {
  size_t wanted = slots.size();
  while (wanted > kFirstSlots && wanted > entries * 64) wanted /= 2;
  slots.assign(std::max(wanted, kFirstSlots), {});
}

void GrowSlots(std::vector<DictionarySlot>& slots) {
  std::vector<DictionarySlot> wider(std::max(slots.size() * 2, kFirstSlots));
  const size_t mask = wider.size() - 1;
  for (const DictionarySlot& s : slots) {
    if (s.entry == 0) continue;
    size_t i = s.hash & mask;
    while (wider[i].entry != 0) i = (i + 1) & mask;
    wider[i] = s;
  }
  slots = std::move(wider);
}

}  // namespace

void Dictionary::Clear() {
  bytes_.clear();
  offset_.assign({0, 0});  // entry 0: ""
  ClearSlots(slots_, interned_);
  interned_ = 0;
}

uint32_t Dictionary::Append(std::string_view text) {
  bytes_.append(text);
  offset_.push_back(static_cast<uint32_t>(bytes_.size()));
  return size() - 1;
}

uint32_t Dictionary::Intern(std::string_view text) {
  if (text.empty()) return 0;
  const size_t mask = slots_.size() - 1;
  const uint32_t hash = HashBytes(text);
  size_t slot = hash & mask;
  for (; slots_[slot].entry != 0; slot = (slot + 1) & mask)
    if (slots_[slot].hash == hash && SameText(Text(slots_[slot].entry - 1), text))
      return slots_[slot].entry - 1;
  const uint32_t index = Append(text);
  slots_[slot] = {hash, index + 1};
  if (++interned_ * 2 > slots_.size()) Grow();
  return index;
}

void Dictionary::Grow() { GrowSlots(slots_); }

size_t Dictionary::MemoryBytes() const {
  return bytes_.capacity() + offset_.capacity() * sizeof(uint32_t) +
         slots_.capacity() * sizeof(DictionarySlot);
}

void PairTable::Clear() {
  ClearSlots(slots_, interned_);
  interned_ = 0;
  of_text_.clear();
  key.clear();
  type.clear();
  value.clear();
}

uint32_t PairTable::Append(uint32_t k, uint8_t t, uint64_t v) {
  key.push_back(k);
  type.push_back(t);
  value.push_back(v);
  return size() - 1;
}

uint32_t PairTable::Intern(uint32_t k, uint8_t t, uint64_t v) {
  if (t != WEFT_ATTR_STRING) return InternByHash(k, t, v);
  if (v >= of_text_.size()) of_text_.resize(v + 1);
  uint32_t& first = of_text_[v];
  if (first == 0) return (first = Append(k, t, v) + 1) - 1;
  return key[first - 1] == k ? first - 1 : InternByHash(k, t, v);
}

uint32_t PairTable::InternByHash(uint32_t k, uint8_t t, uint64_t v) {
  if (interned_ * 2 >= slots_.size()) Grow();
  const size_t mask = slots_.size() - 1;
  const uint32_t hash = HashPair(k, t, v);
  size_t slot = hash & mask;
  for (; slots_[slot].entry != 0; slot = (slot + 1) & mask) {
    const uint32_t i = slots_[slot].entry - 1;
    if (slots_[slot].hash == hash && key[i] == k && value[i] == v && type[i] == t) return i;
  }
  const uint32_t index = Append(k, t, v);
  slots_[slot] = {hash, index + 1};
  ++interned_;
  return index;
}

void PairTable::Grow() { GrowSlots(slots_); }

}  // namespace weft::api
