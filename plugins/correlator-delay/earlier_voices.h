// EarlierVoices: what the correlators before this one in the chain said about the calls of a view.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::plugins::delay {

class EarlierVoices {
 public:
  // The first `entries` of the list; lent until the next Take.
  void Take(const weft_candidates& list, uint32_t entries, uint32_t rows) {
    list_ = &list;
    threads_ = false;
    head_.assign(entries == 0 ? 0 : rows, WEFT_NONE);
    next_.assign(entries, WEFT_NONE);
    for (uint32_t i = 0; i < entries; ++i) {
      if (list.child[i] >= rows) continue;
      threads_ |= (list.evidence[i] & WEFT_EVIDENCE_THREAD) != 0;
      next_[i] = head_[list.child[i]];
      head_[list.child[i]] = i;
    }
  }

  // Whether anybody has spoken.
  bool Any() const { return !head_.empty(); }
  // Whether the chain looks at threads at all.
  bool OfThreads() const { return threads_; }

  bool About(uint32_t call_row) const {
    return call_row < head_.size() && head_[call_row] != WEFT_NONE;
  }

  // The sum for a pair; more than anything else can say where context fixes it. `request_row`
  // WEFT_NONE: no parent. Requires: About(call_row).
  float Sum(uint32_t call_row, uint32_t request_row) const {
    constexpr float kFixed = 100.0f;
    float sum = 0;
    for (uint32_t i = head_[call_row]; i != WEFT_NONE; i = next_[i])
      if (list_->candidate[i] == request_row)
        sum += (list_->evidence[i] & WEFT_EVIDENCE_CONTEXT) != 0 ? kFixed : list_->log_odds[i];
    return sum;
  }

 private:
  std::vector<uint32_t> head_, next_;
  const weft_candidates* list_ = nullptr;
  bool threads_ = false;
};

}  // namespace weft::plugins::delay
