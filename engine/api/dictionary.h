// Dictionary: text -> small index, the string table of a batch. Index 0 is the empty string.
//
// One owner, one thread. Bytes live in one arena; Text() stays valid until the next Intern or
// Clear, an index until Clear. No allocation per lookup.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::api {

// Open addressing: the hash is kept, so that most misses and all growth need no look at the text.
struct DictionarySlot {
  uint32_t hash = 0;
  uint32_t entry = 0;  // index + 1; 0 is free
};

class Dictionary {
 public:
  Dictionary() { Clear(); }

  // The index of `text`, added if new. At most 4 GiB of text and 2^32 - 2 entries.
  uint32_t Intern(std::string_view text);

  // A new entry, without a look whether the text is there already; Intern will not find it.
  uint32_t Append(std::string_view text);
  // The same for text(0) ... text(n - 1).
  template <typename TextAt>
  void AppendAll(size_t n, TextAt&& text) {
    const size_t first = offset_.size();
    size_t end = bytes_.size();
    offset_.resize(first + n);
    for (size_t i = 0; i < n; ++i)
      offset_[first + i] = static_cast<uint32_t>(end += text(i).size());
    if (end > bytes_.capacity()) bytes_.reserve(std::max(end, 2 * bytes_.capacity()));
    bytes_.resize_and_overwrite(end, [&](char* bytes, size_t size) {
      for (size_t i = 0; i < n; ++i) {
        const std::string_view t = text(i);
        std::memcpy(bytes + offset_[first + i] - t.size(), t.data(), t.size());
      }
      return size;
    });
  }

  std::string_view Text(uint32_t index) const {
    return {bytes_.data() + offset_[index], offset_[index + 1] - offset_[index]};
  }
  uint32_t size() const { return static_cast<uint32_t>(offset_.size() - 1); }
  void Clear();

  // For encoding: size() + 1 offsets into bytes().
  const std::vector<uint32_t>& offsets() const { return offset_; }
  const std::string& bytes() const { return bytes_; }
  size_t MemoryBytes() const;

 private:
  void Grow();

  std::string bytes_;
  std::vector<uint32_t> offset_;
  std::vector<DictionarySlot> slots_;
  size_t interned_ = 0;
};

// The same for attribute pairs (key, type, value); no reserved entry. The value of a text is its
// index in the dictionary of the batch.
class PairTable {
 public:
  uint32_t Intern(uint32_t key, uint8_t type, uint64_t value);
  uint32_t Append(uint32_t key, uint8_t type, uint64_t value);
  void Clear();
  uint32_t size() const { return static_cast<uint32_t>(key.size()); }

  std::vector<uint32_t> key;
  std::vector<uint8_t> type;
  std::vector<uint64_t> value;

 private:
  uint32_t InternByHash(uint32_t key, uint8_t type, uint64_t value);
  void Grow();
  // By text: its first pair + 1, which is found without a hash. Few texts are values of several
  // keys; what is no text and the further pairs of a text are in slots_.
  std::vector<uint32_t> of_text_;
  std::vector<DictionarySlot> slots_;
  size_t interned_ = 0;
};

inline std::string_view View(weft_str s) { return {s.data, s.size}; }
inline weft_str Str(std::string_view s) { return {s.data(), s.size()}; }

}  // namespace weft::api
