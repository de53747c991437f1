// KafkaReader: reads partitions that were given to it by hand, read-committed, for one stage.
//
// No group and no commits here: which partitions, and from where, is said by the owners, so that
// input, links and the logs are all read alike. Each partition has a queue of its own, bounded in
// bytes; who does not read it stops its fetching and nobody else's. While memory is short
// (KafkaOptions::share), what was fetched and nobody reads is let go, and fetched again by the next
// Read. The reader from any thread; a PartitionReader from one at a time, and it ends before the
// reader.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

class KafkaReader;

class PartitionReader {
 public:
  ~PartitionReader();
  // Appends what has arrived, about max_bytes of it; what is not for us goes to *unreadable.
  Result<void> Read(size_t max_bytes, std::vector<Record>* records,
                    std::vector<Unreadable>* unreadable);
  // Everything below has been handed out, and everything readable that is not a record passed.
  uint64_t position() const { return position_; }
  // Bytes of the last Read.
  size_t bytes() const { return bytes_; }

 private:
  friend class KafkaReader;
  PartitionReader(KafkaReader& reader, Stream stream, uint32_t partition, uint64_t offset,
                  ReadSignal* readable);
  Result<void> Start();
  void Stop();
  // From the reader's thread: where more than that waits and nobody has read for a while.
  void LetGo(size_t more_than_bytes);
  Result<void> Take(const rd_kafka_message_t& message, std::vector<Record>* records,
                    std::vector<Unreadable>* unreadable);
  Result<void> ReadError(const rd_kafka_message_t& message);
  int64_t AppendTimeOf(const rd_kafka_message_t& message);

  KafkaReader& reader_;
  KafkaContext& context_;
  KafkaClient& client_;
  const Stream stream_;
  const uint32_t partition_;
  ReadSignal* const readable_;
  rd_kafka_topic_t* const topic_;
  Counter& unstamped_;
  Counter& let_go_;
  std::mutex mutex_;                  // of what follows
  KafkaPtr<rd_kafka_queue_t> queue_;  // null: let go
  int64_t read_ns_;                   // by the host's clock
  uint64_t position_;
  size_t bytes_ = 0;
  size_t usual_bytes_ = 64 << 10;  // of a message
  int64_t last_append_ns_ = INT64_MIN;
  bool unstamped_seen_ = false;  // by this Read
};

class KafkaReader {
 public:
  static Result<std::unique_ptr<KafkaReader>> Open(KafkaContext& context, Stage stage);
  ~KafkaReader();

  // `readable` is told when something arrives, and outlives the PartitionReader. Requires: nobody
  // reads this partition through this reader already.
  Result<std::unique_ptr<PartitionReader>> Start(Stream stream, uint32_t partition, uint64_t offset,
                                                 ReadSignal* readable);

 private:
  friend class PartitionReader;
  KafkaReader(KafkaContext& context, std::unique_ptr<KafkaClient> client);
  void KeepMemory();

  KafkaContext& context_;
  std::unique_ptr<KafkaClient> client_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::set<PartitionReader*> partitions_;
  std::thread thread_;  // where there is a share
};

}  // namespace weft::transport
