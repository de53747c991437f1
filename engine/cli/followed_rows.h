// FollowedRows: which traces of a store `weft traces --follow` has still to show.
//
// Rows are numbered in the order of storing, which is not that of beginning, and a trace keeps its
// row when late spans join it. So with a filter the rows of the last half minute are asked for
// again and again, and what was shown of them is known; without one each row is due once. One for
// each store; one thread; the time is handed in.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "engine/base/clock.h"

namespace weft::cli {

class FollowedRows {
 public:
  // How long after a trace was seen first it may still come to fit.
  static constexpr int64_t kAgainNs = 30 * kSecond;

  // `again`: traces may come to fit later.
  explicit FollowedRows(bool again) : again_(again) {}

  // The rows to ask for: those after this one; nullopt: there is nothing new. `version` changes
  // with each commit of others, `last` is the newest row. What is there at the first look is not
  // shown.
  std::optional<int64_t> Look(int64_t now_ns, int64_t version, int64_t last);
  // True the first time; rows come from the last Look's range.
  bool Show(int64_t row) { return !again_ || shown_.insert(row).second; }

 private:
  const bool again_;
  int64_t version_ = -1, last_ = -1, floor_ = 0;
  std::deque<std::pair<int64_t, int64_t>> looks_;  // when, and the newest row then; ascending
  std::set<int64_t> shown_;                        // above floor_
};

}  // namespace weft::cli
