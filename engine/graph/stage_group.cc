#include "engine/graph/stage_group.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/graph/shard_metrics.h"

namespace weft::graph {
namespace {

constexpr int64_t kWaitNs = 100 * kMillisecond;
constexpr int64_t kBusyWaitNs = 5 * kMillisecond;  // while a shard ends: somebody waits for it
constexpr int64_t kPauseNs = 500 * kMillisecond;   // before a failed partition is asked for again

// Somebody else has the partition, or the transport is away: another try may do better.
bool MayPass(const Error& error) { return error.code == Code::kFenced || error.code == Code::kIo; }

}  // namespace

StageGroup::StageGroup(transport::Stage stage, std::unique_ptr<transport::Membership> membership,
                       TakeOver take_over, int64_t hand_over_ns, Workers& workers,
                       transport::Transport& transport, const Clock& clock, Metrics& metrics,
                       Logger& log)
    : name_(StageLabel(stage)),
      membership_(std::move(membership)),
      exclusive_(membership_->exclusive()),
      take_over_(std::move(take_over)),
      hand_over_ns_(hand_over_ns),
      transport_(transport),
      clock_(clock),
      log_(log),
      gained_(metrics.Get(fmt::format("stage.gained{{stage={}}}", name_))),
      revoked_(metrics.Get(fmt::format("stage.revoked{{stage={}}}", name_))),
      lost_(metrics.Get(fmt::format("stage.lost{{stage={}}}", name_))),
      failed_(metrics.Get(fmt::format("stage.failed{{stage={}}}", name_))),
      loop_(workers) {}

StageGroup::~StageGroup() {
  Leave(INT64_MIN);
  Join();
}

Result<void> StageGroup::Start() {
  if (!exclusive()) {
    thread_ = std::thread([this] { Run(); });
    return {};
  }
  auto change = membership_->Wait(transport_.LogTimeNs());
  if (!change) return std::unexpected(std::move(change.error()));
  Apply(*change);
  while (true) {
    if (auto failure = Failure()) return std::unexpected(std::move(*failure));
    {
      std::lock_guard lock(mutex_);
      if (std::ranges::all_of(seats_, [](auto& s) { return s.second->shard != nullptr; }))
        return {};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void StageGroup::Leave(int64_t deadline_ns) {
  std::lock_guard lock(mutex_);
  leaving_ = true;
  leave_by_ns_ = std::min(leave_by_ns_, deadline_ns);
  if (thread_.joinable()) return;  // it looks
  if (deadline_ns != INT64_MIN) return;
  for (auto& [partition, seat] : seats_) SetWish(*seat, Wish::kDrop, deadline_ns);
}

void StageGroup::Join() {
  if (thread_.joinable()) thread_.join();
  std::vector<StageLoop::Turns*> turns;
  {
    std::lock_guard lock(mutex_);
    for (auto& [partition, seat] : seats_) turns.push_back(seat->turns.get());
  }
  for (StageLoop::Turns* one : turns)
    if (one != nullptr) one->Wait();
}

void StageGroup::ForEach(const std::function<void(Shard&)>& visit) {
  std::lock_guard lock(mutex_);
  for (auto& [partition, seat] : seats_)
    if (seat->shard) visit(*seat->shard);
}

std::optional<Error> StageGroup::Failure() const {
  std::lock_guard lock(mutex_);
  if (failure_ || !exclusive()) return failure_;
  for (const auto& [partition, seat] : seats_) {
    if (seat->failure) return seat->failure;
    if (!seat->shard) continue;
    if (auto failure = seat->shard->failure()) return failure;
  }
  return std::nullopt;
}

void StageGroup::FailWith(Error error) {
  std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(error);
}

void StageGroup::Run() {
  try {
    while (Turn()) {
    }
  } catch (const std::exception& e) {
    FailWith({Code::kInternal, fmt::format("{} group: exception: {}", name_, e.what())});
  }
  {
    std::lock_guard lock(mutex_);
    for (auto& [partition, seat] : seats_) SetWish(*seat, Wish::kDrop, INT64_MIN);
  }
  // After a failure of the group itself: nobody Waits any more, but the shards must end.
  for (auto& [partition, seat] : seats_) seat->turns->Wait();
  Reap();
  membership_.reset();
}

// False when everything has been given back, or the group has failed.
bool StageGroup::Turn() {
  bool ending = false;
  {
    std::lock_guard lock(mutex_);
    if (failure_) return false;
    if (leaving_ && seats_.empty()) return false;
    for (auto& [partition, seat] : seats_) {
      if (leaving_) SetWish(*seat, Wish::kLeave, leave_by_ns_);
      if (seat->wish == Wish::kLeave && clock_.MonotonicNs() >= seat->leave_by_ns)
        SetWish(*seat, Wish::kDrop, seat->leave_by_ns);
      ending |= seat->wish != Wish::kHold;
    }
  }
  auto change = membership_->Wait(transport_.LogTimeNs() + (ending ? kBusyWaitNs : kWaitNs));
  if (!change) {
    FailWith({change.error().code, fmt::format("{} group: {}", name_, change.error().message)});
    return false;
  }
  Apply(*change);
  Reap();
  return true;
}

void StageGroup::Apply(const transport::Assignment& change) {
  revoked_.Add(change.revoked.size());
  lost_.Add(change.lost.size());
  for (uint32_t p : change.lost) SetWish(p, Wish::kDrop, INT64_MIN);
  for (uint32_t p : change.revoked) SetWish(p, Wish::kLeave, clock_.MonotonicNs() + hand_over_ns_);
  for (uint32_t p : change.gained) Gain(p);
}

void StageGroup::Gain(uint32_t partition) {
  gained_.Add();
  Seat* seat = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (leaving_ && !exclusive()) return;  // the membership ends soon
    auto& slot = seats_[partition];
    WEFT_CHECK(!slot);
    slot = std::make_unique<Seat>(partition);
    seat = slot.get();
  }
  auto turns = loop_.Add([this, seat] { return Begin(*seat); });
  std::lock_guard lock(mutex_);
  seat->turns = std::move(turns);
}

Shard* StageGroup::Begin(Seat& seat) {
  {
    std::lock_guard lock(mutex_);
    if (seat.wish != Wish::kHold) return nullptr;
  }
  Result<std::unique_ptr<Shard>> taken = Fail(Code::kInternal, "");
  try {
    taken = take_over_(seat.partition);
  } catch (const std::exception& e) {
    taken = Fail(Code::kInternal, fmt::format("exception: {}", e.what()));
  }
  std::lock_guard lock(mutex_);
  if (!taken) {
    seat.failure = std::move(taken.error());
    return nullptr;
  }
  seat.shard = std::move(*taken);
  return seat.wish == Wish::kHold ? seat.shard.get() : nullptr;  // it has decided nothing
}

void StageGroup::SetWish(uint32_t partition, Wish wish, int64_t leave_by_ns) {
  std::lock_guard lock(mutex_);
  if (const auto it = seats_.find(partition); it != seats_.end()) {
    SetWish(*it->second, wish, leave_by_ns);
  } else {
    paused_.erase(partition);
    membership_->Release({&partition, 1});
  }
}

// Wishes only get stronger.
void StageGroup::SetWish(Seat& seat, Wish wish, int64_t leave_by_ns) {
  seat.leave_by_ns = std::min(seat.leave_by_ns, leave_by_ns);
  if (wish <= seat.wish) return;
  seat.wish = wish;
  if (!seat.shard) return;
  if (wish == Wish::kLeave)
    seat.shard->Leave();
  else
    seat.shard->Drop();
}

// Buries the shards whose turns are over, and releases their partitions.
void StageGroup::Reap() {
  std::vector<std::unique_ptr<Seat>> over;
  {
    std::lock_guard lock(mutex_);
    for (auto it = seats_.begin(); it != seats_.end();) {
      if (it->second->turns && it->second->turns->ended()) {
        over.push_back(std::move(it->second));
        it = seats_.erase(it);
      } else {
        ++it;
      }
    }
  }
  std::vector<uint32_t> free;
  for (auto& seat : over) {
    const uint32_t partition = seat->partition;
    const bool at_once = Bury(*seat);
    seat.reset();
    if (at_once)
      free.push_back(partition);
    else
      paused_[partition] = clock_.MonotonicNs() + kPauseNs;
  }
  for (auto it = paused_.begin(); it != paused_.end();) {
    if (clock_.MonotonicNs() >= it->second) {
      free.push_back(it->first);
      it = paused_.erase(it);
    } else {
      ++it;
    }
  }
  if (!free.empty()) membership_->Release(free);
}

// What its end means. False: the partition is still ours, and is asked for again after a pause.
bool StageGroup::Bury(Seat& seat) {
  std::optional<Error> failure = seat.failure;
  if (seat.shard) {
    if (!failure) failure = seat.shard->failure();
    seat.shard->Drop();  // takes back what waits for its exporters, if it did not leave in order
  }
  if (!failure) return true;
  failed_.Add();
  log_.Warn(
      fmt::format("{}: partition {} was dropped: {}", name_, seat.partition, failure->message));
  if (seat.wish != Wish::kHold) return true;
  if (MayPass(*failure)) return false;
  FailWith(std::move(*failure));
  return true;
}

}  // namespace weft::graph
