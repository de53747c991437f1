// KafkaOwner: the PartitionOwner of KafkaTransport; see transport.h for the rules.
//
// Take-over, in this order: the stable committed offset (so that nobody's transaction on this
// partition is open any more); a first commit with the new generation and a mark in the stage's
// log, which tells the brokers' time; then the input, the links and the logs are read from what was
// appended a horizon before the first input record that is not decided. Reading a log back ends
// where it ended after that commit, however long other transactions on it stay open. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/transport/kafka_committer.h"
#include "engine/transport/kafka_fence.h"
#include "engine/transport/kafka_group.h"
#include "engine/transport/kafka_reader.h"
#include "engine/transport/kafka_watch.h"

namespace weft::transport {

// One stage's clients in this process. Owners: its membership and its partition owners.
struct KafkaStage {
  Stage stage;
  std::shared_ptr<KafkaGroup> group;  // shared with the committer, which asks it
  std::unique_ptr<KafkaReader> reader;
  std::unique_ptr<KafkaCommitter> committer;
  std::unique_ptr<KafkaFence> fence;
};

class KafkaOwner final : public PartitionOwner {
 public:
  // `watch` and `readable` outlive the owner.
  static Result<std::unique_ptr<KafkaOwner>> TakeOver(KafkaContext& context,
                                                      std::shared_ptr<KafkaStage> stage,
                                                      uint32_t partition, KafkaWatch& watch,
                                                      ReadSignal& readable);
  ~KafkaOwner() override;

  Stage stage() const override { return stage_->stage; }
  uint32_t partition() const override { return partition_; }
  uint64_t generation() const override { return generation_; }
  uint64_t start_offset() const override { return start_offset_; }
  Result<void> ReadBack(Stream log, const std::function<void(const Record&)>& visit) override;
  Result<void> Poll(size_t max_bytes, std::vector<Record>* out) override;
  void HoldInput(bool hold) override { held_ = hold; }
  std::optional<int64_t> CaughtUp() override { return std::exchange(caught_up_ns_, std::nullopt); }
  Result<void> Commit(Transaction transaction) override;

 private:
  KafkaOwner(KafkaContext& context, std::shared_ptr<KafkaStage> stage, uint32_t partition,
             uint64_t tenure, KafkaWatch& watch, ReadSignal& readable);
  Result<void> FindStart();
  Result<void> Announce();
  Result<void> StartReading();
  Result<void> CommitWork(std::vector<OutRecord> out, uint64_t decided);
  void CheckCaughtUp();
  void Bury(std::vector<Unreadable> unreadable);

  KafkaContext& context_;
  const std::shared_ptr<KafkaStage> stage_;
  const uint32_t partition_;
  const uint64_t tenure_;
  KafkaWatch& watch_;
  ReadSignal& readable_;
  const Stream input_;
  Counter &unreadable_, &unreadable_repeated_;
  Counter& expired_;
  Counter& lag_;

  uint64_t generation_ = 0;
  uint64_t start_offset_ = 0;
  uint64_t decided_ = 0;     // all below, says the stage
  uint64_t handed_out_ = 0;  // what is below is with the stage
  uint64_t committed_ = 0;   // decided_, or beyond it past records that are not for the stage
  int64_t back_to_ns_ = 0;   // where logs are read from
  int64_t links_from_ns_ = INT64_MAX;  // what the stage needs links of; INT64_MAX: not told
  std::unique_ptr<PartitionReader> input_reader_, links_reader_;
  std::vector<Record> first_;    // read at take-over, not handed out yet
  std::vector<OutRecord> dead_;  // go with the next commit
  DeadEnds dead_ends_;           // with these, and those of owners before
  size_t dead_bytes_ = 0;
  std::shared_ptr<WatchedEnds> ends_;
  CaughtUpTime told_;
  std::optional<int64_t> caught_up_ns_;
  bool held_ = false;
};

}  // namespace weft::transport
