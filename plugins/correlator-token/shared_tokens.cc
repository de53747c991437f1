#include "plugins/correlator-token/shared_tokens.h"

namespace weft::plugins::token {

void SharedTokens::Take(const weft_spans& w) {
  tokens_.clear();
  rows_.resize(w.n);
  for (uint32_t row = 0; row < w.n; ++row) {
    const uint32_t begin = w.token_offset[row], end = w.token_offset[row + 1];
    rows_[row].begin = static_cast<uint32_t>(tokens_.size());
    for (uint32_t t = begin; t < end; ++t)
      if ((w.token[t] & 1) == 0) tokens_.push_back(w.token[t]);
    rows_[row].middle = static_cast<uint32_t>(tokens_.size());
    for (uint32_t t = begin; t < end; ++t)
      if ((w.token[t] & 1) != 0) tokens_.push_back(w.token[t] & ~1u);
    rows_[row].end = static_cast<uint32_t>(tokens_.size());
  }
}

std::span<const uint32_t> SharedTokens::Request(uint32_t row) const {
  return {tokens_.data() + rows_[row].begin, tokens_.data() + rows_[row].middle};
}

std::span<const uint32_t> SharedTokens::Response(uint32_t row) const {
  return {tokens_.data() + rows_[row].middle, tokens_.data() + rows_[row].end};
}

}  // namespace weft::plugins::token
