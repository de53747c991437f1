// ByteStream: the bytes of a file as they come, plain, gzip or zstd, told apart by their first
// bytes. Nothing is held but the piece at hand. Read until 0 or an error; one thread.
#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/base/result.h"

namespace weft::sources {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Up to `size` bytes, at least one; 0 at the end. kCorrupt where the compressed bytes are damaged
  // or cut off: what was read until then is good.
  virtual Result<size_t> Read(char* out, size_t size) = 0;

  static Result<std::unique_ptr<ByteStream>> Open(const std::filesystem::path& path);
  // The same over an open file that can be rewound, which it owns; `name` is for messages.
  static std::unique_ptr<ByteStream> Over(std::FILE* file, std::string name);
};

}  // namespace weft::sources
