#include "plugins/correlator-token/shared_tokens.h"

namespace weft::plugins::token {

void SharedTokens::Take(const weft_spans& w) {
  tokens_.clear();
  rows_.resize(w.n);
  for (uint32_t row = 0; row < w.n; ++row) {
    const uint32_t begin = w.token_offset[row], end = w.token_offset[row + 1];
    Row& r = rows_[row] = {};
    const auto take = [&](uint32_t response, uint64_t* bits) {
      for (uint32_t t = begin; t < end; ++t) {
        if ((w.token[t] & 1) != response) continue;
        tokens_.push_back(w.token[t] & ~1u);
        *bits |= uint64_t{1} << (w.token[t] >> 26);
      }
      return static_cast<uint32_t>(tokens_.size());
    };
    r.begin = static_cast<uint32_t>(tokens_.size());
    r.middle = take(0, &r.request_bits);
    r.end = take(1, &r.response_bits);
  }
}

std::span<const uint32_t> SharedTokens::Request(uint32_t row) const {
  return {tokens_.data() + rows_[row].begin, tokens_.data() + rows_[row].middle};
}

std::span<const uint32_t> SharedTokens::Response(uint32_t row) const {
  return {tokens_.data() + rows_[row].middle, tokens_.data() + rows_[row].end};
}

}  // namespace weft::plugins::token
