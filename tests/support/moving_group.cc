#include "tests/support/moving_group.h"

#include <chrono>

namespace weft::test {

using transport::Assignment;
using transport::Stage;

class GroupSeat final : public transport::Membership {
 public:
  GroupSeat(MovingGroup& group, Stage stage, uint32_t member)
      : group_(group), stage_(stage), member_(member) {
    group_.Join(stage_, member_);
  }
  ~GroupSeat() override { group_.Leave(stage_, member_); }
  bool exclusive() const override { return false; }
  Result<Assignment> Wait(int64_t deadline_ns) override {
    return group_.Take(stage_, member_, deadline_ns);
  }
  void Release(std::span<const uint32_t> partitions) override {
    group_.Release(stage_, member_, partitions);
  }

 private:
  MovingGroup& group_;
  const Stage stage_;
  const uint32_t member_;
};

// CloseSources is the group's, not a member's: the others still read what sources publish.
class GroupMember final : public transport::Transport {
 public:
  GroupMember(MovingGroup& group, uint32_t member) : group_(group), member_(member) {}
  uint32_t partitions() const override { return group_.inner_.partitions(); }
  int64_t LogTimeNs() const override { return group_.inner_.LogTimeNs(); }
  Result<void> Publish(transport::OutRecord record, int64_t deadline_ns) override {
    return group_.inner_.Publish(std::move(record), deadline_ns);
  }
  void CloseSources() override {}
  Result<std::unique_ptr<transport::Membership>> Join(Stage stage) override {
    return std::make_unique<GroupSeat>(group_, stage, member_);
  }
  Result<std::unique_ptr<transport::PartitionOwner>> Own(Stage stage, uint32_t p) override {
    {
      const std::lock_guard lock(group_.mutex_);
      if (group_.places_[{stage, p}].holder != member_)
        return Fail(Code::kFenced, "the partition is another member's");
    }
    return group_.inner_.Own(stage, p);
  }
  void WaitReadable(Stage stage, uint32_t p, int64_t deadline_ns) override {
    group_.inner_.WaitReadable(stage, p, deadline_ns);
  }

 private:
  MovingGroup& group_;
  const uint32_t member_;
};

std::unique_ptr<transport::Transport> MovingGroup::AddMember(uint32_t number) {
  return std::make_unique<GroupMember>(*this, number);
}

void MovingGroup::Move(Stage stage, uint32_t partition, uint32_t to) {
  const std::lock_guard lock(mutex_);
  places_[{stage, partition}].wanted = to;
  changed_.notify_all();
}

void MovingGroup::Seize(Stage stage, uint32_t partition, uint32_t to) {
  const std::lock_guard lock(mutex_);
  Place& place = places_[{stage, partition}];
  place.wanted = to;
  if (place.holder == kNobody || place.holder == to) return;
  place.losers.insert(place.holder);
  place.holder = kNobody;
  place.revoking = false;
  changed_.notify_all();
}

bool MovingGroup::Settled() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, place] : places_)
    if (place.holder != place.wanted || !place.losers.empty() || place.revoking) return false;
  return true;
}

Assignment MovingGroup::Take(Stage stage, uint32_t member, int64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  while (true) {
    Assignment change;
    for (uint32_t p = 0; p < inner_.partitions(); ++p) {
      Place& place = places_[{stage, p}];
      if (place.losers.erase(member) != 0) {
        place.unreleased.insert(member);
        change.lost.push_back(p);
      } else if (place.holder == member && place.wanted != member && !place.revoking) {
        place.revoking = true;
        change.revoked.push_back(p);
      } else if (place.holder == kNobody && place.wanted == member &&
                 !place.unreleased.contains(member)) {
        place.holder = member;
        change.gained.push_back(p);
      }
    }
    if (!change.empty()) return change;
    const int64_t left = deadline_ns - inner_.LogTimeNs();
    if (left <= 0) return {};
    changed_.wait_for(lock, std::chrono::nanoseconds(left));
  }
}

void MovingGroup::Release(Stage stage, uint32_t member, std::span<const uint32_t> partitions) {
  const std::lock_guard lock(mutex_);
  for (uint32_t p : partitions) {
    Place& place = places_[{stage, p}];
    if (place.unreleased.erase(member) != 0) continue;
    if (place.holder != member) continue;
    place.holder = kNobody;
    place.revoking = false;
  }
  changed_.notify_all();
}

void MovingGroup::Join(Stage stage, uint32_t member) {
  const std::lock_guard lock(mutex_);
  joined_[stage].insert(member);
}

void MovingGroup::Leave(Stage stage, uint32_t member) {
  const std::lock_guard lock(mutex_);
  joined_[stage].erase(member);
  const uint32_t heir = joined_[stage].empty() ? kNobody : *joined_[stage].begin();
  for (uint32_t p = 0; p < inner_.partitions(); ++p) {
    Place& place = places_[{stage, p}];
    place.losers.erase(member);
    place.unreleased.erase(member);
    if (place.holder == member) {
      place.holder = kNobody;
      place.revoking = false;
    }
    if (place.wanted == member) place.wanted = heir;
  }
  changed_.notify_all();
}

}  // namespace weft::test
