// ListenAddress: where a server listens, as people write it: "127.0.0.1:9338", "[::1]:9338",
// "localhost:9338", ":9338" (every address). Port 0 takes a free one. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace weft {

struct ListenAddress {
  std::string host;  // "0.0.0.0" where none was given
  uint16_t port = 0;

  // kInvalid with what is right.
  static Result<ListenAddress> Parse(std::string_view text);
  std::string Text() const;  // "[::1]:9338"
};

}  // namespace weft
