#include "engine/cli/followed_rows.h"

namespace weft::cli {

std::optional<int64_t> FollowedRows::Look(int64_t now_ns, int64_t version, int64_t last) {
  const bool first = last_ < 0;
  const int64_t before = std::exchange(last_, last);
  if (!again_) return first || last <= before ? std::nullopt : std::optional(before);
  if (first) floor_ = last;
  looks_.emplace_back(now_ns, last);
  while (looks_.front().first < now_ns - kAgainNs) {
    floor_ = looks_.front().second;
    looks_.pop_front();
  }
  shown_.erase(shown_.begin(), shown_.upper_bound(floor_));
  if (std::exchange(version_, version) == version || first || last <= floor_) return std::nullopt;
  return floor_;
}

}  // namespace weft::cli
