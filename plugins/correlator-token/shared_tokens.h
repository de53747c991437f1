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

  // Bits of the tokens above: no common bit, nothing in common.
  uint64_t RequestBits(uint32_t row) const { return rows_[row].request_bits; }
  uint64_t ResponseBits(uint32_t row) const { return rows_[row].response_bits; }

  // Calls f(token) for each that is in both.
  template <class F>
  static void ForEachShared(std::span<const uint32_t> a, std::span<const uint32_t> b, F&& f) {
    for (const uint32_t x : a)
      for (const uint32_t y : b)
        if (x == y) f(x);
  }

 private:
  struct Row {
    uint64_t request_bits = 0, response_bits = 0;
    uint32_t begin = 0, middle = 0, end = 0;
  };
  std::vector<uint32_t> tokens_;
  std::vector<Row> rows_;
};

}  // namespace weft::plugins::token
