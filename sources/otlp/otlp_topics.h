// OtlpTopics: reads Kafka topics with OTLP that others write, and hands the spans to stage 2, each
// exactly once: offsets are committed in the transaction that appends them to weft.spans.
//
// One consumer in the group <group>-otlp, one transactional producer, one thread. What could not be
// committed is read again. While brokers do not answer it waits. Start and the destructor from one
// thread; what Start is given outlives it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/transport/kafka_context.h"
#include "sources/otlp/otlp_intake.h"

namespace weft::otlp {

class OtlpTopics {
 public:
  // `partitions`: of weft.spans. Requires: the settings are resolved (kafka_settings.h).
  static Result<std::unique_ptr<OtlpTopics>> Start(const std::vector<std::string>& topics,
                                                   const transport::KafkaOptions& options,
                                                   uint32_t partitions, const Clock& clock,
                                                   Metrics& metrics, Logger& log);
  // Commits what was read and leaves the group.
  ~OtlpTopics();

 private:
  OtlpTopics(std::vector<std::string> topics, const transport::KafkaOptions& options,
             transport::KafkaProperties properties, uint32_t partitions, const Clock& clock,
             Metrics& metrics, Logger& log);
  Result<void> OpenConsumer();
  Result<void> OpenProducer();
  void Run();
  void Poll();
  void OnRebalance(rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t* partitions);
  bool Due() const;
  void Flush();
  bool Commit(const std::vector<transport::OutRecord>& records);
  // False, and the transaction is over; after a fatal error with a new producer.
  bool GiveUp(rd_kafka_error_t* error);
  // Drops what was read since the last commit, and reads nothing more until Rewind has gone back
  // there.
  void BeginAgain();
  bool Rewind();
  // Goes on reading these partitions, or stops; false: some of them do not.
  bool Fetch(rd_kafka_topic_partition_list_t* partitions, bool wanted);
  // Says why it goes no further yet. False, after a while.
  bool Pause(const Error& why);

  const std::vector<std::string> topics_;
  transport::KafkaContext context_;
  const std::string id_;  // of the producer, which no other process may have
  OtlpIntake intake_;
  Counter& retries_;
  Counter& passed_over_;
  Counter& paused_us_;
  std::unique_ptr<transport::KafkaClient> consumer_, producer_;
  std::map<std::pair<std::string, int32_t>, int64_t> offsets_;  // to be committed
  size_t bytes_ = 0;
  int64_t since_ns_ = 0;
  bool rewind_ = false;
  int64_t rewind_since_ns_ = 0;
  bool assigned_once_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace weft::otlp
