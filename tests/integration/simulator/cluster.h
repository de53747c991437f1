// Cluster: members of both stages over a memory transport, driven through one schedule.
//
// One seed decides everything that a real cluster leaves to chance: how long a batch travels, which
// partition is read when and how far, which member dies between which two steps, which zombie still
// tries to commit, when an export is durable. The transport waits for nothing and the clock moves
// only here, so a seed gives the same run every time. One thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/stitch/stitch_partition.h"
#include "engine/trace/trace_partition.h"
#include "engine/transport/memory.h"
#include "tests/integration/simulator/learning_voice.h"
#include "tests/integration/simulator/sink.h"
#include "tests/integration/simulator/world.h"

namespace weft::sim {

struct Schedule {
  uint64_t seed = 0;
  uint32_t partitions = 1;
  bool undisturbed = true;   // everything at once, in order, nobody dies
  int64_t max_delay_ns = 0;  // of a batch on its way to the log
  double duplicate = 0;      // share of batches that come twice
  double overtaken = 0;      // share of batches that later ones of their agent come before
  double again = 0;          // share of batches that come once more, seconds later
  double lazy = 0;           // share of turns that a member sleeps through
  double kill = 0;           // per member and turn
  bool zombies = false;
  bool kafka = false;  // commits take time, are aborted, are left in doubt; offsets have holes
  double pause = 0;    // per partition, stage and turn: nobody reads it for a while
  double outage = 0;   // per turn: nobody reads anything for a while
  int64_t max_pause_ns = 0;
  double whole = 0.7;      // share of turns that read all there is; else a bit of it
  double move = 0;         // with kafka: partitions given back in good order, per member and turn
  int64_t quantum_ns = 0;  // between two turns; 0: the usual
  bool sampled = false;    // half of the traces, by id
  int64_t log_horizon_ns = 120 * kSecond;   // labels and decisions are held for so long
  size_t stitch_bytes = size_t{512} << 20;  // then stage 1 waits for partitions that are behind
  trace::TraceConfig trace;
};

class Cluster {
 public:
  Cluster(const World& world, const Schedule& schedule);
  ~Cluster();

  // Publishes the world's script and runs until everything is stored. False: it did not end.
  bool Run();
  const Sink& sink() const { return sink_; }
  uint64_t Count(std::string_view name) { return metrics_.Get(name).Get(); }
  uint64_t kills() const { return kills_; }
  uint64_t pauses() const { return pauses_; }
  uint64_t moves() const { return moves_; }
  const transport::MemoryTransport& transport() const { return *transport_; }
  const std::string& failure() const { return failure_; }

 private:
  struct StitchMember {
    std::unique_ptr<transport::PartitionOwner> owner;
    std::unique_ptr<LearningVoice> learning;
    std::unique_ptr<stitch::StitchPartition> stage;
    bool finished = false;
    std::optional<transport::Transaction> pending;  // with kafka: being committed
    int orphan_rounds = 0;                          // with kafka: died, until it is taken over
    int leaving = 0;                                // 0: it stays
  };
  struct TraceMember {
    std::unique_ptr<transport::PartitionOwner> owner;
    std::unique_ptr<trace::TracePartition> stage;
    std::deque<trace::ExportBatchPtr> queue;  // handed to the exporter, not durable yet
    bool closing = false;
    std::optional<transport::Transaction> pending;
    int orphan_rounds = 0;
    int leaving = 0;  // turns
  };
  struct Parcel {
    int64_t due_ns;
    transport::OutRecord record;
  };

  int64_t quantum_ns() const;
  double Chance() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  bool Lazy() { return !drained_ && Chance() < schedule_.lazy; }
  bool Dies() { return !schedule_.undisturbed && !calm_ && Chance() < schedule_.kill; }
  void Send(const Seal& seal);
  void Deliver();
  void TakeOver(uint32_t partition, StitchMember& member);
  void TakeOver(uint32_t partition, TraceMember& member);
  void Turn(uint32_t partition, StitchMember& member);
  void Turn(uint32_t partition, TraceMember& member);
  void Export(TraceMember& member);
  // cluster_kafka.cc
  template <typename Member>
  bool PassKafka(uint32_t partition, Member& member);
  template <typename Member>
  void BeginCommit(Member& member, transport::Transaction transaction);
  void Committed(StitchMember& member);
  void Committed(TraceMember& member);
  bool Left(const StitchMember& member);
  bool Left(const TraceMember& member);
  bool Leaves();
  void Leave(StitchMember& member);
  void Leave(TraceMember& member);
  std::unique_ptr<transport::PartitionOwner> Own(transport::Stage stage, uint32_t partition);
  void Round();
  bool Paused(uint32_t place);
  void BeginPauses();
  void TryZombies();
  void Watch(uint32_t partition, const transport::Transaction& transaction);
  int64_t Now() const;  // true time in ms
  void Expect(bool ok, const std::string& what);
  bool AllIdle() const;
  std::string Unrest() const;  // who still holds what

  const World& world_;
  const Schedule schedule_;
  std::mt19937_64 random_;
  ManualClock clock_;
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::unique_ptr<transport::MemoryTransport> transport_;
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> sequences_;  // agent, partition
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> observed_;
  std::map<std::pair<uint64_t, uint32_t>, std::deque<Parcel>> roads_;  // in order each
  std::vector<Parcel> detours_;                                        // in none
  std::vector<StitchMember> stitch_;
  std::vector<TraceMember> trace_;
  std::vector<StitchMember> stitch_zombies_;
  std::vector<TraceMember> trace_zombies_;
  Sink sink_;
  bool sending_ = true;
  bool drained_ = false;
  bool calm_ = false;  // nobody dies any more: the end must be reached
  bool finishing_ = false, closing_ = false;
  uint64_t kills_ = 0, moves_ = 0, pauses_ = 0;
  std::vector<int64_t> paused_until_;  // by partition and stage
  uint64_t watch_wire_ = 0;
  std::string failure_;
};

}  // namespace weft::sim
