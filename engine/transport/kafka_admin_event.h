// What kafka_admin.cc and kafka_admin_groups.cc share: one request to the cluster and its answer.
// Included by nothing else. One thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <mutex>
#include <string>

#include "engine/transport/kafka_admin.h"

namespace weft::transport {

struct KafkaAdmin::LogTail {
  std::mutex mutex;
  std::string newest;  // the last line that says why something does not work
};

struct AdminFree {
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const { rd_kafka_AdminOptions_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const {
    rd_kafka_topic_partition_list_destroy(p);
  }
  void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
  void operator()(rd_kafka_NewPartitions_t* p) const { rd_kafka_NewPartitions_destroy(p); }
  void operator()(rd_kafka_ConfigResource_t* p) const { rd_kafka_ConfigResource_destroy(p); }
  void operator()(rd_kafka_ListConsumerGroupOffsets_t* p) const {
    rd_kafka_ListConsumerGroupOffsets_destroy(p);
  }
  void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
};
template <typename T>
using AdminPtr = std::unique_ptr<T, AdminFree>;

inline rd_kafka_resp_err_t ErrorOf(const rd_kafka_event_t* event) {
  return event == nullptr
             ? RD_KAFKA_RESP_ERR__TIMED_OUT
             : rd_kafka_event_error(const_cast<rd_kafka_event_t*>(event));  // reads only
}

// Sends by `send(options, queue)` and waits; null where no answer came in time.
template <typename Send>
AdminPtr<rd_kafka_event_t> AskCluster(rd_kafka_t* handle, rd_kafka_admin_op_t operation,
                                      int timeout_ms, const Send& send) {
  const AdminPtr<rd_kafka_queue_t> queue(rd_kafka_queue_new(handle));
  const AdminPtr<rd_kafka_AdminOptions_t> options(rd_kafka_AdminOptions_new(handle, operation));
  char reason[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, reason, sizeof(reason));
  send(options.get(), queue.get());
  // The library answers with its own timeout first.
  return AdminPtr<rd_kafka_event_t>(rd_kafka_queue_poll(queue.get(), timeout_ms + 1000));
}

}  // namespace weft::transport
