// StageGroup: the partitions of one stage that this process has, as its group gives and takes them.
//
// Owned by Engine, one per stage. A thread of its own Waits in the Membership; what is gained is
// taken over on the new shard's thread, so that a long read-back holds up neither the group nor
// the shards that run. Per partition:
//   gained -> taken over, turning -> (revoked: Leave | lost, failed: Drop)-> gone -> Release
// A revoked shard has hand_over_ns to end in good order, then it is dropped. A shard that was
// fenced, or whose transport failed, is dropped, and the partition asked for again after a pause;
// any other failure is the group's. Where the membership is exclusive there is no thread, and every
// failure is the group's.
//
// Start, Leave, Join and the destructor from one thread; ForEach and Failure from any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/graph/shard.h"
#include "engine/graph/stage_loop.h"
#include "engine/transport/transport.h"

namespace weft::graph {

class StageGroup {
 public:
  // Called on the shard's thread.
  using TakeOver = std::function<Result<std::unique_ptr<Shard>>(uint32_t partition)>;

  // Counts in stage.gained{stage=...}, .revoked, .lost and .failed. References outlive the group.
  StageGroup(transport::Stage stage, std::unique_ptr<transport::Membership> membership,
             TakeOver take_over, int64_t hand_over_ns, Workers& workers,
             transport::Transport& transport, const Clock& clock, Metrics& metrics, Logger& log);
  // Drops what is left.
  ~StageGroup();

  // Exclusive: all partitions are taken over when this returns, or the first failure comes back.
  Result<void> Start();
  bool exclusive() const { return exclusive_; }
  // Group: begins to give everything back in good order; what has not ended by then is dropped.
  void Leave(int64_t deadline_ns);
  // Returns when every shard's turns are over, and a group has been left.
  void Join();

  void ForEach(const std::function<void(Shard&)>& visit);
  std::optional<Error> Failure() const;

 private:
  enum class Wish : uint8_t { kHold, kLeave, kDrop };
  struct Seat {
    explicit Seat(uint32_t p) : partition(p) {}
    const uint32_t partition;
    Wish wish = Wish::kHold;
    int64_t leave_by_ns = INT64_MAX;
    std::optional<Error> failure;  // of taking over
    std::unique_ptr<Shard> shard;
    std::unique_ptr<StageLoop::Turns> turns;  // first to go
  };

  void Run();
  bool Turn();
  void Apply(const transport::Assignment& change);
  void Gain(uint32_t partition);
  Shard* Begin(Seat& seat);
  void SetWish(uint32_t partition, Wish wish, int64_t leave_by_ns);
  void SetWish(Seat& seat, Wish wish, int64_t leave_by_ns);
  void Reap();
  bool Bury(Seat& seat);
  void FailWith(Error error);

  const std::string name_;
  std::unique_ptr<transport::Membership> membership_;
  const bool exclusive_;
  const TakeOver take_over_;
  const int64_t hand_over_ns_;
  transport::Transport& transport_;
  const Clock& clock_;
  Logger& log_;
  Counter &gained_, &revoked_, &lost_, &failed_;
  StageLoop loop_;
  std::map<uint32_t, int64_t> paused_;  // failed partitions, and when they are asked for again

  mutable std::mutex mutex_;
  std::map<uint32_t, std::unique_ptr<Seat>> seats_;
  std::optional<Error> failure_;
  int64_t leave_by_ns_ = INT64_MAX;
  bool leaving_ = false;
  std::thread thread_;
};

}  // namespace weft::graph
