// WEFT_CHECK: a broken invariant of our own stops the process; it is always on.
//
// Never use it on outside input: that is an Error or an outcome plus a counter. Any thread.
#pragma once

namespace weft {
// Prints the condition and place to stderr and aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace weft

#define WEFT_CHECK(condition)                                              \
  do {                                                                     \
    if (!(condition)) ::weft::CheckFailed(#condition, __FILE__, __LINE__); \
  } while (false)
