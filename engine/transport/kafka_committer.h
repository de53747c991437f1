// KafkaCommitter: commits what the shards of one stage of one process decided, several at a time.
//
// One transactional producer per process and stage, and one transaction for all shards that are
// ready: a producer per partition would write partitions^2 commit markers. Each shard's thread
// calls Commit and waits; a thread of the committer forms the transactions. Every transaction sends
// the input offset of every partition in it, moved or not, with the group's metadata: that is what
// refuses it where the partition has a newer owner.
//
// While brokers do not answer, Commit waits. What ended without effect is done again, in a new
// transaction, for the partitions that are still this member's; the others get kFenced. Where
// nobody can say whether a transaction took effect, all of it get kFenced: a new owner finds out.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/transport/kafka_group.h"

namespace weft::transport {

class KafkaCommitter {
 public:
  // One shard's step.
  struct Work {
    uint32_t partition = 0;
    uint64_t tenure = 0;
    uint64_t offset = 0;   // of the input, to be committed
    std::string metadata;  // with it
    std::vector<OutRecord> out;
  };

  // Any thread; no broker need be there yet. `group` is shared with the membership and the owners.
  KafkaCommitter(KafkaContext& context, Stage stage, std::shared_ptr<KafkaGroup> group);
  // Requires: nobody is in Commit.
  ~KafkaCommitter();

  Result<void> Commit(Work work);
  const std::string& id() const { return transactional_id_; }
  // Whoever may call Commit: when all of them have, no transaction waits for more.
  void Enter() { ++committers_; }
  void Leave() { --committers_; }
  // From then on Commit fails (kCancelled) where it would have to wait.
  void GiveUpAt(int64_t monotonic_ns) { give_up_ns_ = monotonic_ns; }

 private:
  struct Request {
    Work work;
    std::optional<Result<void>> result;
    std::string refused;  // which record of it the brokers will never take, and why
  };
  enum class Outcome { kDone, kAgain, kUnknown };

  void Run();
  std::vector<Request*> Gather();
  void Process(std::vector<Request*> batch);
  // Answers those whose partitions are not ours any more, or that cannot be, and takes them out.
  void Fence(std::vector<Request*>* batch);
  Outcome Try(const std::vector<Request*>& batch);
  Outcome ProduceAll(const std::vector<Request*>& batch);
  void NoteFailure(const std::string& name, rd_kafka_resp_err_t err, Request* request);
  Outcome SendOffsets(const std::vector<Request*>& batch,
                      const rd_kafka_consumer_group_metadata_t& metadata);
  Outcome End();
  Outcome Abort();
  // What an error of a transactional call means.
  Outcome Judge(rd_kafka_error_t* error, std::string_view step);
  Result<void> OpenProducer();
  void CloseProducer();
  void Answer(const std::vector<Request*>& batch, const Result<void>& result);
  bool Again(const rd_kafka_error_t* error);
  bool GivenUp() const;

  KafkaContext& context_;
  const Stage stage_;
  const std::string transactional_id_;
  const std::shared_ptr<KafkaGroup> group_;
  Counter& commits_;
  Counter& shards_;
  Counter& aborts_;
  Counter& retries_;
  Counter& fenced_;
  Counter& unknown_;
  Counter& busy_us_;

  std::atomic<size_t> committers_ = 0;
  std::atomic<int64_t> give_up_ns_ = INT64_MAX;
  std::unique_ptr<KafkaClient> producer_;  // the thread's

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable answered_;
  std::deque<Request*> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace weft::transport
