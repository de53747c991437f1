// MovingGroup: consumer groups without a broker, so that tests can move partitions between engines.
//
// One memory transport is shared; each member is a Transport of its own over it, whose Join gives a
// Membership that says gained, revoked and lost as this group decides: Move takes a partition back
// in good order, Seize gives it away at once and tells the old member afterwards, as a group does
// with a member that it takes for dead. A member that leaves gives all it has to the others.
// Members end before the group. Any thread.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "engine/transport/memory.h"

namespace weft::test {

class MovingGroup {
 public:
  using Key = std::pair<transport::Stage, uint32_t>;

  explicit MovingGroup(transport::MemoryTransport& inner) : inner_(inner) {}

  // A new member: has nothing until something is moved to it.
  std::unique_ptr<transport::Transport> AddMember(uint32_t number);
  void Move(transport::Stage stage, uint32_t partition, uint32_t to);
  void Seize(transport::Stage stage, uint32_t partition, uint32_t to);
  // Is every partition where it was sent?
  bool Settled() const;

 private:
  static constexpr uint32_t kNobody = UINT32_MAX;
  friend class GroupMember;
  friend class GroupSeat;
  struct Place {
    uint32_t holder = kNobody;  // who was told that it is his
    uint32_t wanted = kNobody;
    bool revoking = false;      // the holder was told
    std::set<uint32_t> losers;  // to be told that they have lost it
    std::set<uint32_t> unreleased;
  };

  transport::Assignment Take(transport::Stage stage, uint32_t member, int64_t deadline_ns);
  void Release(transport::Stage stage, uint32_t member, std::span<const uint32_t> partitions);
  void Join(transport::Stage stage, uint32_t member);
  void Leave(transport::Stage stage, uint32_t member);

  transport::MemoryTransport& inner_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Key, Place> places_;
  std::map<transport::Stage, std::set<uint32_t>> joined_;
};

}  // namespace weft::test
