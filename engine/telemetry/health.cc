#include "engine/telemetry/health.h"

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::telemetry {

void Health::Pending(std::string_view part, std::string why) {
  std::lock_guard lock(mutex_);
  pending_.insert_or_assign(std::string(part), std::move(why));
}

void Health::Ready(std::string_view part) {
  std::lock_guard lock(mutex_);
  begun_ = true;
  if (const auto it = pending_.find(part); it != pending_.end()) pending_.erase(it);
}

void Health::Beat() {
  std::lock_guard lock(mutex_);
  beat_ns_ = clock_.MonotonicNs();
}

void Health::Failed(std::string why) {
  std::lock_guard lock(mutex_);
  failed_ = std::move(why);
}

void Health::Stopping() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
}

Health::Answer Health::Alive() const {
  std::lock_guard lock(mutex_);
  if (!failed_.empty()) return {false, "failed: " + failed_};
  // It has a deadline of its own to write everything out.
  if (stopping_) return {true, "ok: stopping"};
  const int64_t silent_ns = clock_.MonotonicNs() - beat_ns_;
  if (silent_ns > kStuckAfterNs)
    return {false, fmt::format("stuck: no sign of life for {}", ShortDuration(silent_ns))};
  return {true, "ok"};
}

Health::Answer Health::IsReady() const {
  std::lock_guard lock(mutex_);
  if (!failed_.empty()) return {false, "failed: " + failed_};
  if (stopping_) return {false, "stopping"};
  if (pending_.empty()) return begun_ ? Answer{true, "ok"} : Answer{false, "starting"};
  Answer answer;
  for (const auto& [part, why] : pending_)
    answer.text += fmt::format("{}{}: {}", answer.text.empty() ? "" : "\n", part, why);
  return answer;
}

}  // namespace weft::telemetry
