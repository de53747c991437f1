// Writing JSON: text appended to a string, nothing else. Pure; any thread.
//
// Text that is not valid UTF-8 comes out with U+FFFD in place of the bad bytes, because readers
// refuse anything else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

// A JSON string with its quotes.
void AppendJsonString(std::string& out, std::string_view text);
void AppendInt(std::string& out, int64_t value);
void AppendUint(std::string& out, uint64_t value);
// Shortest text that reads back equal; NaN and infinities become strings.
void AppendDouble(std::string& out, double value);
// 16 lower-case hex digits.
void AppendHex(std::string& out, uint64_t value);

}  // namespace weft
