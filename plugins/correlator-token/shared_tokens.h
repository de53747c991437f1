// SharedTokens: the tokens of one view, and which of them two rows have in common.
//
// Made anew for each view; memory is kept. One thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::plugins::token {

class SharedTokens {
 public:
  // Requires: w has tokens. Lent until the next Take.
  void Take(const weft_spans& w);

  // Without bit 0, requests' before responses'.
  std::span<const uint32_t> Request(uint32_t row) const;
  std::span<const uint32_t> Response(uint32_t row) const;

  // Calls f(token) for each that is in both.
  template <class F>
  static void ForEachShared(std::span<const uint32_t> a, std::span<const uint32_t> b, F&& f) {
    for (const uint32_t x : a)
      for (const uint32_t y : b)
        if (x == y) f(x);
  }

 private:
  struct Row {
    uint32_t begin = 0, middle = 0, end = 0;
  };
  std::vector<uint32_t> tokens_;
  std::vector<Row> rows_;
};

}  // namespace weft::plugins::token
