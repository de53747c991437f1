// KafkaClient: one librdkafka handle with its callbacks, and where its log lines go.
//
// Every other kafka_* file opens its own: a producer per stage, a reader per stage, and so on.
// KafkaLog is shared by all of a transport: lines of one kind go out at most every few seconds,
// with the number of those that did not, and a configured secret never does. Callbacks are called
// on librdkafka's threads or from within a call to the handle; they must not throw. Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <librdkafka/rdkafka.h>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "engine/transport/kafka_options.h"
#include "engine/transport/kafka_settings.h"

namespace weft::transport {

class KafkaLog {
 public:
  // References must outlive the log.
  KafkaLog(const KafkaProperties& properties, const Clock& clock, Metrics& metrics, Logger& logger);
  // `kind` is what the rate is limited by.
  void Write(LogLevel level, std::string_view kind, std::string_view line);
  // Without the values of secrets.
  std::string Redact(std::string_view text) const;

 private:
  struct Kind {
    int64_t last_ns = INT64_MIN;
    uint64_t suppressed = 0;
  };
  const Clock& clock_;
  Logger& logger_;
  Counter& warnings_;
  std::vector<std::string> secrets_;
  std::mutex mutex_;
  std::map<std::string, Kind, std::less<>> kinds_;
};

class KafkaClient {
 public:
  struct Callbacks {
    // A message was delivered, or not (rkmessage.err).
    std::function<void(const rd_kafka_message_t&)> delivered;
    std::function<void(rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*)> rebalance;
  };
  // `common` comes from the user and wins over `defaults`; `owned` wins over both. `what` names the
  // client in log lines. `log` outlives the client.
  static Result<std::unique_ptr<KafkaClient>> Open(std::string what, rd_kafka_type_t type,
                                                   const KafkaProperties& defaults,
                                                   const KafkaProperties& common,
                                                   const KafkaProperties& owned,
                                                   Callbacks callbacks, KafkaLog& log);
  ~KafkaClient();
  KafkaClient(const KafkaClient&) = delete;
  KafkaClient& operator=(const KafkaClient&) = delete;

  rd_kafka_t* get() const { return handle_; }
  KafkaLog& log() const { return log_; }
  // Valid as long as the client.
  rd_kafka_topic_t* Topic(const std::string& name);

 private:
  KafkaClient(std::string what, Callbacks callbacks, KafkaLog& log)
      : what_(std::move(what)), callbacks_(std::move(callbacks)), log_(log) {}
  static void OnLog(const rd_kafka_t* rk, int level, const char* facility, const char* text);
  static void OnDelivery(rd_kafka_t* rk, const rd_kafka_message_t* message, void* opaque);
  static void OnRebalance(rd_kafka_t* rk, rd_kafka_resp_err_t err,
                          rd_kafka_topic_partition_list_t* partitions, void* opaque);

  const std::string what_;
  const Callbacks callbacks_;
  KafkaLog& log_;
  rd_kafka_t* handle_ = nullptr;
  std::mutex mutex_;
  std::map<std::string, rd_kafka_topic_t*> topics_;
};

// Owning pointers to librdkafka's objects.
struct KafkaFree {
  void operator()(rd_kafka_topic_partition_list_t* p) const {
    rd_kafka_topic_partition_list_destroy(p);
  }
  void operator()(rd_kafka_consumer_group_metadata_t* p) const {
    rd_kafka_consumer_group_metadata_destroy(p);
  }
  void operator()(rd_kafka_error_t* p) const { rd_kafka_error_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
};
template <typename T>
using KafkaPtr = std::unique_ptr<T, KafkaFree>;
using PartitionList = KafkaPtr<rd_kafka_topic_partition_list_t>;
using KafkaError = KafkaPtr<rd_kafka_error_t>;

// What a consumer's offsets are committed with in a transaction; null while it is in no group.
// (That of nobody is refused by no coordinator: whoever had been thrown out could commit over his
// successor.) Whose partitions it is for must be looked up after this call.
using GroupMetadata = KafkaPtr<rd_kafka_consumer_group_metadata_t>;
GroupMetadata TakeGroupMetadata(rd_kafka_t* consumer);

// Before a consumer closes that has never been given an assignment, `assigned` says: where its
// first one is under way, polls until it is there, for some seconds at most. (librdkafka 2.0.2 ends
// the process if its assignor is destroyed between joining and the first assignment.)
void AwaitFirstAssignment(rd_kafka_t* consumer, const Clock& clock, const bool& assigned);

// Asks until there is an answer or an error that more asking does not mend; gives up after wait_ns.
rd_kafka_resp_err_t AskBrokers(const Clock& clock, int64_t wait_ns,
                               const std::function<rd_kafka_resp_err_t(int timeout_ms)>& ask);

// "<what>: <librdkafka's words>", with what to do about it where that is known.
Error KafkaFailure(std::string_view what, rd_kafka_resp_err_t code, std::string_view detail = {});

}  // namespace weft::transport
