// KafkaGroup: this process's seat in the consumer group of a stage.
//
// Subscribes to the stage's input with cooperative-sticky assignment and reads nothing (all
// partitions are paused; owners read by KafkaReader). A thread of its own takes part in the group,
// so that a slow engine is never taken for a dead one. The engine calls the Membership side; owners
// and the committer ask which partitions are still theirs:
//
//   A tenure is the time from "gained" to Release, or to "lost" where that comes first. Group
//   metadata of a later generation can be had only after the tenures that it ended are over. So who
//   takes the metadata first and looks at the tenures then can never commit for somebody else's
//   partition: either the tenure is over, or the coordinator refuses the old generation.
//
// Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

class KafkaGroup {
 public:
  static Result<std::unique_ptr<KafkaGroup>> Join(KafkaContext& context, Stage stage);
  // Leaves the group.
  ~KafkaGroup();

  // As Membership's.
  Result<Assignment> Wait(int64_t deadline_ns);
  void Release(std::span<const uint32_t> partitions);

  // The tenure of a partition, never 0; 0 where it is not this member's.
  uint64_t Tenure(uint32_t partition) const;
  // Null while this process is not a member.
  GroupMetadata Metadata() const;

  struct Committed {
    std::optional<uint64_t> offset;
    std::string metadata;
  };
  // The stable one: waits for the end of another's open transaction on it. By default longer than
  // a dead member's stays open.
  Result<Committed> CommittedOffset(uint32_t partition, int64_t wait_ns = 30 * kSecond) const;

 private:
  // What the group says of a partition, and what the engine has been told.
  struct Seat {
    uint64_t tenure = 0;
    bool assigned = false;  // by the group
    bool leaving = false;   // ... which has taken it back, but does not have it yet
    bool held = false;      // Wait gave it to the engine, which has not released it
    bool tell_gained = false, tell_revoked = false, tell_lost = false;
  };

  KafkaGroup(KafkaContext& context, Stage stage);
  void Run();
  void OnRebalance(rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t* partitions);
  void OnAssigned(const rd_kafka_topic_partition_list_t& partitions);
  void OnLost(const rd_kafka_topic_partition_list_t& partitions);
  // Gives back what was taken away once nobody here works on it any more.
  void FinishRevocation(bool at_once);
  void OnError(const rd_kafka_message_t& message);
  void Grown();                 // requires: mutex_ is held
  void GiveTenure(Seat* seat);  // Requires: the lock

  KafkaContext& context_;
  const Stage stage_;
  const std::string input_;
  std::unique_ptr<KafkaClient> client_;
  Counter& rebalances_;
  Counter& lost_;
  Counter& assigned_gauge_;
  Counter& unread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Seat> seats_;
  uint64_t tenures_ = 0;
  std::optional<Error> failure_;
  bool stopping_ = false;

  PartitionList revocation_;  // the poll thread's
  bool closing_ = false, assigned_once_ = false;
  std::thread thread_;
};

// The engine's side of a KafkaGroup, which stays with the transport.
class KafkaMembership final : public Membership {
 public:
  // `leave` is called once, by the destructor.
  KafkaMembership(std::shared_ptr<KafkaGroup> group, std::function<void()> leave)
      : group_(std::move(group)), leave_(std::move(leave)) {}
  ~KafkaMembership() override {
    group_.reset();
    leave_();
  }
  bool exclusive() const override { return false; }
  Result<Assignment> Wait(int64_t deadline_ns) override { return group_->Wait(deadline_ns); }
  void Release(std::span<const uint32_t> partitions) override { group_->Release(partitions); }

 private:
  std::shared_ptr<KafkaGroup> group_;  // and the transport, for owners and the committer
  const std::function<void()> leave_;
};

}  // namespace weft::transport
