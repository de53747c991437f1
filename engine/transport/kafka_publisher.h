// KafkaPublisher: what sources publish, to weft.events, by an idempotent producer.
//
// Bounded in bytes that no broker has acknowledged: Publish waits for room. What is in is tried for
// as long as the process lives; what is left when it closes is counted. Used by KafkaTransport and,
// without one, by agents. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

class KafkaPublisher {
 public:
  static Result<std::unique_ptr<KafkaPublisher>> Open(KafkaContext& context);
  // Closes.
  ~KafkaPublisher();

  // As Publisher's.
  Result<void> Publish(OutRecord record, int64_t deadline_ns);
  // Wakes who waits for room; Publish fails from now on.
  void Refuse();
  // Nothing goes out any more: its producer has met an error that only a new one can leave behind.
  bool Broken() const;
  // Waits for acknowledgements by then; what has none is counted as lost.
  void Close(int64_t wait_ns);

 private:
  struct Sent;
  explicit KafkaPublisher(KafkaContext& context);
  void Delivered(const rd_kafka_message_t& message);
  bool Fits(size_t bytes) const;

  KafkaContext& context_;
  std::unique_ptr<KafkaClient> client_;
  Counter& records_;
  Counter& full_;
  Counter& in_flight_gauge_;
  std::vector<Counter*> failed_;  // by partition

  std::mutex mutex_;
  std::condition_variable room_;
  size_t in_flight_ = 0;
  bool refusing_ = false;
  bool stopping_ = false;
  std::thread thread_;  // takes acknowledgements
};

}  // namespace weft::transport
