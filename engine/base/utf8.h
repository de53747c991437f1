// UTF-8: what is valid, and valid text from what is not. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weft {

// Length of the sequence at the begin of `text`, 0 if it is none (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
size_t Utf8Sequence(std::string_view text);
bool IsUtf8(std::string_view text);
// With U+FFFD in place of bad bytes.
std::string RepairUtf8(std::string_view text);

}  // namespace weft
