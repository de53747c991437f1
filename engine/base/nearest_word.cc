#include "engine/base/nearest_word.h"

#include <algorithm>
#include <vector>

namespace weft {
namespace {

constexpr size_t kLongestWord = 64;  // the cost is quadratic; nobody mistypes more than that

// Optimal string alignment distance over three rolling rows.
size_t Edits(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return above[b.size()];
}

}  // namespace

std::string_view NearestWord(std::string_view word, std::span<const std::string_view> known) {
  if (word.size() > kLongestWord) return {};
  std::string_view best;
  // A third of the word may be wrong; a single letter never is a hint.
  size_t limit = std::max<size_t>(word.size() / 3, 1) + 1;
  for (std::string_view candidate : known) {
    if (candidate.size() > kLongestWord) continue;
    const size_t edits = Edits(word, candidate);
    if (edits < limit && edits < candidate.size()) {
      limit = edits;
      best = candidate;
    }
  }
  return best;
}

}  // namespace weft
