// KafkaAdmin: asks a Kafka cluster about its topics and groups, and makes or changes topics.
//
// For commands (`weft topics`, `weft doctor`), not for the data path: every call waits for its
// answer, for the timeout at most. What librdkafka writes to its log meanwhile (a refused password,
// a broker that does not answer) becomes the reason in the Error; it names no secret. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/result.h"
#include "engine/transport/kafka_settings.h"
#include "engine/transport/kafka_topics.h"

struct rd_kafka_s;

namespace weft::transport {

struct KafkaCluster {
  std::string id;
  int controller = -1;
  std::vector<std::string> brokers;  // "1 at kafka-1:9092"
};

struct GroupMember {
  std::string client, host;
  std::vector<uint32_t> partitions;
};

struct GroupState {
  std::string state;  // "Stable", "Empty", "Dead" (nobody has heard of it)
  std::vector<GroupMember> members;
  std::vector<int64_t> committed;  // of each partition; -1: nothing
};

class KafkaAdmin {
 public:
  // Returns when a broker has answered.
  static Result<std::unique_ptr<KafkaAdmin>> Connect(const KafkaProperties& properties,
                                                     int64_t timeout_ns = 10 * kSecond);
  ~KafkaAdmin();
  KafkaAdmin(const KafkaAdmin&) = delete;
  KafkaAdmin& operator=(const KafkaAdmin&) = delete;

  const KafkaCluster& cluster() const { return cluster_; }

  Result<TopicStates> ReadTopics(std::span<const std::string> names);
  // False: it is there already.
  Result<bool> CreateTopic(const std::string& name, int partitions, int replicas,
                           const std::map<std::string, std::string>& settings);
  Result<void> SetPartitions(const std::string& name, int partitions);
  // Replaces all settings of the topic's own.
  Result<void> SetSettings(const std::string& name,
                           const std::map<std::string, std::string>& settings);

  // `topic` is the one that the group reads.
  Result<GroupState> ReadGroup(const std::string& group, const std::string& topic, int partitions);
  // Where the next record goes.
  Result<std::vector<int64_t>> EndOffsets(const std::string& topic, int partitions);
  // Waits for new records of the topic: the least (here - append time) of any, of the wall clocks.
  // kNotFound: none came.
  Result<int64_t> ClockDifferenceNs(const std::string& topic, int partitions, const Clock& clock,
                                    int64_t wait_ns);

  struct LogTail;  // the newest lines of librdkafka's log

 private:
  KafkaAdmin(std::unique_ptr<LogTail> log, int timeout_ms);
  Result<void> ReadCluster();
  Result<void> ReadSettings(std::span<const std::string> names, TopicStates& states);
  Result<void> ReadCommitted(const std::string& group, const std::string& topic, int partitions,
                             GroupState& state);
  bool Refused() const;  // the user or the password
  Error Failed(const std::string& what, int code, const char* detail = nullptr) const;

  std::string limit_;             // of the library, where a password is refused
  std::unique_ptr<LogTail> log_;  // outlives the handle
  const int timeout_ms_;
  rd_kafka_s* handle_ = nullptr;
  KafkaCluster cluster_;
};

}  // namespace weft::transport
