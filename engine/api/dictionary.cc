#include "engine/api/dictionary.h"

#include <algorithm>
#include <functional>

#include "engine/base/hash.h"

namespace weft::api {
namespace {

constexpr size_t kFirstSlots = 64;

size_t HashPair(uint32_t key, uint8_t type, uint64_t value) {
  return Mix64(value ^ (static_cast<uint64_t>(key) << 8 | type) * 0x9e3779b97f4a7c15ULL);
}

}  // namespace

void Dictionary::Clear() {
  bytes_.clear();
  offset_.assign({0, 0});  // entry 0: ""
  if (slots_.size() > kFirstSlots) slots_.resize(kFirstSlots);
  slots_.assign(std::max(slots_.size(), kFirstSlots), 0);
}

uint32_t Dictionary::Intern(std::string_view text) {
  if (text.empty()) return 0;
  const size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>{}(text) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask)
    if (Text(slots_[slot] - 1) == text) return slots_[slot] - 1;
  const uint32_t index = size();
  bytes_.append(text);
  offset_.push_back(static_cast<uint32_t>(bytes_.size()));
  slots_[slot] = index + 1;
  if (size() * 2 > slots_.size()) Grow();
  return index;
}

void Dictionary::Grow() {
  std::vector<uint32_t> wider(slots_.size() * 2, 0);
  const size_t mask = wider.size() - 1;
  for (uint32_t i = 1; i < size(); ++i) {
    size_t slot = std::hash<std::string_view>{}(Text(i)) & mask;
    while (wider[slot] != 0) slot = (slot + 1) & mask;
    wider[slot] = i + 1;
  }
  slots_ = std::move(wider);
}

size_t Dictionary::MemoryBytes() const {
  return bytes_.capacity() + (offset_.capacity() + slots_.capacity()) * sizeof(uint32_t);
}

void PairTable::Clear() {
  key.clear();
  type.clear();
  value.clear();
  slots_.clear();
}

uint32_t PairTable::Intern(uint32_t k, uint8_t t, uint64_t v) {
  if (size() * 2 >= slots_.size()) Grow();
  const size_t mask = slots_.size() - 1;
  size_t slot = HashPair(k, t, v) & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const uint32_t i = slots_[slot] - 1;
    if (key[i] == k && value[i] == v && type[i] == t) return i;
  }
  key.push_back(k);
  type.push_back(t);
  value.push_back(v);
  slots_[slot] = size();
  return size() - 1;
}

void PairTable::Grow() {
  std::vector<uint32_t> wider(std::max(slots_.size() * 2, kFirstSlots), 0);
  const size_t mask = wider.size() - 1;
  for (uint32_t i = 0; i < size(); ++i) {
    size_t slot = HashPair(key[i], type[i], value[i]) & mask;
    while (wider[slot] != 0) slot = (slot + 1) & mask;
    wider[slot] = i + 1;
  }
  slots_ = std::move(wider);
}

}  // namespace weft::api
