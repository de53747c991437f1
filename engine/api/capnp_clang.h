// For clang 16 and later only, put before every Cap'n Proto 0.9 header by CMake: kj leaves these
// two out in C++20 and counts on reversed candidates, which P2468 took away where operator!= is
// declared.
#pragma once

#include <kj/string.h>

#ifdef __clang__
namespace kj {
inline bool operator==(const char* a, StringPtr b) { return b == a; }
inline bool operator!=(const char* a, StringPtr b) { return !(b == a); }
}  // namespace kj
#endif
