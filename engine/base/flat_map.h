// FlatMap: 64-bit key -> small value in one array, for hot paths.
//
// Open addressing with linear probing and backward-shift deletion: no allocation per entry, no
// tombstones. Keys are mixed, so that outside input cannot pile up. Pointers and references are
// valid until the next Insert or Erase. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/base/hash.h"
#include "engine/base/large_pages.h"
#include "engine/base/prefetch.h"

namespace weft {

template <typename V>
class FlatMap {
 public:
  V* Find(uint64_t key) {
    if (slots_.empty()) return nullptr;
    key = Stored(key);
    for (size_t i = Home(key);; i = Next(i)) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == 0) return nullptr;
    }
  }
  const V* Find(uint64_t key) const { return const_cast<FlatMap*>(this)->Find(key); }

  // The value of `key`, made from V{} if new; `second` says whether it is new.
  std::pair<V*, bool> Insert(uint64_t key) {
    if ((size_ + 1) * 4 > slots_.size() * 3) Grow();
    key = Stored(key);
    size_t i = Home(key);
    for (; slots_[i].key != 0; i = Next(i))
      if (slots_[i].key == key) return {&slots_[i].value, false};
    slots_[i].key = key;
    ++size_;
    return {&slots_[i].value, true};
  }
  V& operator[](uint64_t key) { return *Insert(key).first; }

  bool Erase(uint64_t key) {
    V* const value = Find(key);
    if (value != nullptr) EraseAt(value);
    return value != nullptr;
  }
  // What Find gave: without another search.
  void EraseAt(const V* value) {
    const Slot* const slot =
        reinterpret_cast<const Slot*>(reinterpret_cast<const char*>(value) - offsetof(Slot, value));
    auto i = static_cast<size_t>(slot - slots_.data());
    // Closes the gap: whatever would no longer be found from its home moves into it.
    for (size_t j = Next(i); slots_[j].key != 0; j = Next(j)) {
      const size_t home = Home(slots_[j].key);
      if (((j - home) & mask_) < ((j - i) & mask_)) continue;
      slots_[i] = std::move(slots_[j]);
      i = j;
    }
    slots_[i] = Slot{};
    --size_;
  }

  template <typename Visit>  // visit(key, value&); must not insert or erase
  void ForEach(Visit&& visit) {
    for (Slot& s : slots_)
      if (s.key != 0) visit(s.key == kZero ? 0 : s.key, s.value);
  }

  size_t slots() const { return slots_.size(); }

  // Looks at `count` slots from place `from` on, erases what `erase(key, value&)` says, and returns
  // where to go on: a long table can be swept a bit at a time. An entry that an insertion or an
  // erasure moves backwards may be met one round later.
  template <typename Predicate>
  size_t Sweep(size_t from, size_t count, Predicate&& erase) {
    if (slots_.empty()) return 0;
    for (size_t i = from & mask_; count != 0; --count, i = Next(i), from = i)
      while (slots_[i].key != 0) {
        const uint64_t key = slots_[i].key == kZero ? 0 : slots_[i].key;
        if (!erase(key, slots_[i].value)) break;
        Erase(key);  // may move the next one here
      }
    return from;
  }

  // Asks for the cache line that Find(key) will look at first: for loops that know what comes next.
  void Prefetch(uint64_t key) const {
    if (!slots_.empty()) weft::Prefetch(&slots_[Home(Stored(key))]);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Clear() {
    slots_.clear();
    size_ = mask_ = 0;
  }
  size_t MemoryBytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    uint64_t key = 0;  // 0: free
    V value{};
  };
  static constexpr uint64_t kZero = 0x9e3779b97f4a7c15ULL;  // stands in for key 0
  static uint64_t Stored(uint64_t key) { return key == 0 ? kZero : key; }
  size_t Home(uint64_t key) const { return Mix64(key) & mask_; }
  size_t Next(size_t i) const { return (i + 1) & mask_; }

  void Grow() {
    LargeVector<Slot> old = std::move(slots_);
    slots_ = LargeVector<Slot>(old.empty() ? 16 : old.size() * 2);
    mask_ = slots_.size() - 1;
    for (Slot& s : old) {
      if (s.key == 0) continue;
      size_t i = Home(s.key);
      while (slots_[i].key != 0) i = Next(i);
      slots_[i] = std::move(s);
    }
  }

  LargeVector<Slot> slots_;
  size_t size_ = 0;
  size_t mask_ = 0;
};

}  // namespace weft
