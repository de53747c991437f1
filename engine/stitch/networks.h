// Networks: a small set of CIDR blocks, IPv4 and IPv6, that addresses are looked up in.
//
// Answers are cached by text: a host talks to few peers. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/flat_map.h"
#include "engine/base/result.h"

namespace weft::stitch {

class Networks {
 public:
  static Result<Networks> Parse(const std::vector<std::string>& blocks);

  // Empty text (an unknown peer) and the path of a Unix socket are inside, for only this host
  // reaches that; other text that is no address is outside.
  bool Contains(std::string_view address);

 private:
  struct Block {
    std::array<uint8_t, 16> bytes;  // IPv4 as ::ffff:a.b.c.d
    int bits;
  };
  std::vector<Block> blocks_;
  FlatMap<uint8_t> cache_;
};

}  // namespace weft::stitch
