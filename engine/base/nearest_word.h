// NearestWord: "did you mean": the entry of `known` that is the fewest edits (insert, delete,
// replace, swap) away from `word`, or "" if none is near enough to be what was meant. Any thread.
#pragma once

#include <span>
#include <string_view>

namespace weft {

std::string_view NearestWord(std::string_view word, std::span<const std::string_view> known);

}  // namespace weft
