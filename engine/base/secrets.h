// What a secret looks like: its name, or its shape. Pure functions; any thread.
//
// They err on the side of saying yes: what is hidden without need costs a look into a log, what is
// shown without need costs a password.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "engine/base/ascii.h"

namespace weft {

// Stands where a secret stood.
inline constexpr std::string_view kRedacted = "REDACTED";

// A name in lower case, without punctuation, percent-decoded, cut at this length.
inline constexpr size_t kMaxCanonicalName = 64;
using CanonicalBuffer = std::array<char, kMaxCanonicalName>;
std::string_view CanonicalName(std::string_view name, CanonicalBuffer* buffer);

// Both take canonical names. The first is for query strings and options, where a short name such as
// `key`, `code` or `sid` is a secret; the second for names that stand anywhere.
bool IsSecretParameter(std::string_view canonical);
bool IsSecretWord(std::string_view canonical);

// How many bytes at the start of the text are one; 0: none.
size_t JsonWebTokenLength(std::string_view text);
size_t UserInfoLength(std::string_view text);  // "user:password@", as after "://"

// Characters that tokens and names are made of.
constexpr bool IsTokenChar(char c) {
  return IsAlpha(c) || IsDigit(c) || c == '-' || c == '_' || c == '.';
}

}  // namespace weft
