// LineReader: the lines of a ByteStream, numbered from 1. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sources/replay/byte_stream.h"

namespace weft::sources {

class LineReader {
 public:
  // A line that is longer is given in part, and marked.
  static constexpr size_t kMaxLine = size_t{64} << 20;

  explicit LineReader(std::unique_ptr<ByteStream> bytes) : bytes_(std::move(bytes)) {}

  // Without its line end; nullopt at the end of the file. Valid until the next call.
  Result<std::optional<std::string_view>> Next();
  uint64_t number() const { return number_; }  // of the line that Next gave
  bool cut() const { return cut_; }

 private:
  Result<bool> Fill();

  std::unique_ptr<ByteStream> bytes_;
  std::string buffer_;
  size_t begin_ = 0;
  uint64_t number_ = 0;
  bool ended_ = false, cut_ = false, skip_ = false;
};

}  // namespace weft::sources
