// Short texts as machine words: comparing and hashing without a call or a loop over bytes, for
// tables that are asked for names and values millions of times a second.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft {

template <typename Word>
Word LoadWord(const char* at) {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

// a == b, where both are mostly short.
inline bool SameText(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const size_t n = a.size();
  const char *x = a.data(), *y = b.data();
  if (n > 32) return std::memcmp(x, y, n) == 0;
  if (n > 16 && (LoadWord<uint64_t>(x + 8) != LoadWord<uint64_t>(y + 8) ||
                 LoadWord<uint64_t>(x + n - 16) != LoadWord<uint64_t>(y + n - 16)))
    return false;
  if (n >= 8)
    return LoadWord<uint64_t>(x) == LoadWord<uint64_t>(y) &&
           LoadWord<uint64_t>(x + n - 8) == LoadWord<uint64_t>(y + n - 8);
  if (n >= 4)
    return LoadWord<uint32_t>(x) == LoadWord<uint32_t>(y) &&
           LoadWord<uint32_t>(x + n - 4) == LoadWord<uint32_t>(y + n - 4);
  for (size_t i = 0; i < n; ++i)
    if (x[i] != y[i]) return false;
  return true;
}

// Up to eight bytes as one number; texts of one length that differ give different numbers.
inline uint64_t ShortWord(std::string_view text) {
  const size_t n = text.size();
  const char* at = text.data();
  if (n >= 8) return LoadWord<uint64_t>(at);
  if (n >= 4) return uint64_t{LoadWord<uint32_t>(at)} << 32 | LoadWord<uint32_t>(at + n - 4);
  if (n == 0) return 0;
  const auto byte = [at](size_t i) { return uint64_t{static_cast<uint8_t>(at[i])}; };
  return byte(0) << 16 | byte(n / 2) << 8 | byte(n - 1);
}

// Length, first and last bytes: a place in a small table, nothing more.
inline uint64_t Glance(std::string_view text) {
  if (text.size() <= 8) return ShortWord(text) + text.size();
  return LoadWord<uint64_t>(text.data()) * 31 + LoadWord<uint64_t>(text.data() + text.size() - 8) +
         text.size();
}

}  // namespace weft
