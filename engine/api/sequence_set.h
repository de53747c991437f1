// SequenceSet: which of an agent's batches were read: all up to the highest, but for gaps.
//
// Tells a batch that was published once more, any time later, from one that comes late. Gaps are
// bounded: past kMaxGaps the lowest is forgotten, and what comes of it late is taken for a repeat.
// Stage 1 has one per agent and partition, and one in the ledger. A value; header only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace weft::api {

class SequenceSet {
 public:
  using Gap = std::pair<uint64_t, uint64_t>;  // first missing, first that is not
  static constexpr size_t kMaxGaps = 64;

  // Everything below `from` is there, or nobody's business.
  SequenceSet() : SequenceSet(1) {}
  explicit SequenceSet(uint64_t from) : end_(from) {}
  // Requires: gaps are ascending, apart from each other, not empty and below end.
  SequenceSet(uint64_t end, std::vector<Gap> gaps) : end_(end), gaps_(std::move(gaps)) {}

  // False: it was there.
  bool Add(uint64_t sequence) {
    if (sequence == UINT64_MAX) return false;  // no agent counts so far
    if (sequence >= end_) {
      if (sequence > end_) gaps_.emplace_back(end_, sequence);
      end_ = sequence + 1;
      Trim();
      return true;
    }
    const auto gap = std::ranges::find_if(gaps_, [&](const Gap& g) { return sequence < g.second; });
    if (gap == gaps_.end() || sequence < gap->first) return false;
    const Gap after{sequence + 1, gap->second};
    gap->second = sequence;
    const bool empty_before = gap->first == gap->second, empty_after = after.first == after.second;
    if (empty_before && empty_after) {
      gaps_.erase(gap);
    } else if (empty_before) {
      *gap = after;
    } else if (!empty_after) {
      gaps_.insert(gap + 1, after);
      Trim();
    }
    return true;
  }

  bool Has(uint64_t sequence) const {
    return sequence < end_ && std::ranges::none_of(gaps_, [&](const Gap& g) {
             return g.first <= sequence && sequence < g.second;
           });
  }

  uint64_t end() const { return end_; }  // one past the highest
  const std::vector<Gap>& gaps() const { return gaps_; }

 private:
  void Trim() {
    if (gaps_.size() > kMaxGaps) gaps_.erase(gaps_.begin());
  }

  uint64_t end_;
  std::vector<Gap> gaps_;
};

}  // namespace weft::api
