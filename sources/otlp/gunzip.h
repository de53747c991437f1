// Gunzip: a gzip or zlib message of a stranger, bounded. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace weft::otlp {

inline bool LooksCompressed(std::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

// kFull: it becomes more than max_bytes, and no more than those were made of it; kCorrupt: it is no
// gzip, is damaged, or ends early.
Result<std::string> Gunzip(std::string_view bytes, size_t max_bytes);

}  // namespace weft::otlp
