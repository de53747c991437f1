// KafkaRange: what was appended to one topic between two times or offsets, of all partitions, in
// the order of append times.
//
// For tools (`weft what-if`, `weft replay --range`): it is in no group and commits nothing, so
// nobody who works with the topic notices. It ends before what is appended after Open, and before
// the first transaction that is open then. A few megabytes of each partition are read ahead. One
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

// [from, to): append times (Unix ns), or offsets in each partition.
struct RangeBounds {
  bool offsets = false;
  int64_t from = INT64_MIN, to = INT64_MAX;
};

class KafkaRange {
 public:
  // `type` 0: no record of weft's, for the reason `why`. append_ns: where the topic does not have
  // append times, those of the writers, never going back.
  struct Message {
    uint32_t partition = 0;
    uint64_t offset = 0;
    int64_t append_ns = 0;
    RecordType type{0};
    std::string why;
    PayloadPtr bytes;
  };

  // kNotFound: there is no such topic. References outlive the range.
  static Result<std::unique_ptr<KafkaRange>> Open(const KafkaProperties& properties,
                                                  const std::string& topic,
                                                  const RangeBounds& bounds, const Clock& clock,
                                                  Metrics& metrics, Logger& log);
  ~KafkaRange();

  uint32_t partitions() const { return static_cast<uint32_t>(sources_.size()); }
  // The next one; nullopt: that was all.
  Result<std::optional<Message>> Next();
  // Offsets of the range that are gone from the log: from its end while it is read, and from its
  // beginning where bounds are offsets.
  uint64_t gone() const { return gone_; }

 private:
  struct Source {
    KafkaPtr<rd_kafka_queue_t> queue;
    uint64_t position = 0, end = 0;
    int64_t last_append_ns = INT64_MIN;
    bool reading = false;
    std::deque<Message> ahead;
  };

  KafkaRange(const KafkaProperties& properties, std::string topic, const Clock& clock,
             Metrics& metrics, Logger& log)
      : topic_name_(std::move(topic)), clock_(clock), log_(properties, clock, metrics, log) {}
  Result<void> OpenClient(const KafkaProperties& properties);
  Result<uint32_t> CountPartitions();
  Result<void> FindBounds(const RangeBounds& bounds, uint32_t partitions);
  // Of the first record that was appended then; -1: there is none.
  Result<std::vector<int64_t>> OffsetsAt(int64_t append_ns, uint32_t partitions);
  struct Watermarks {
    int64_t low = 0, high = 0;
  };
  Result<Watermarks> AskWatermarks(uint32_t partition);
  // A broker has no more than that; the log may have become shorter since Open.
  Result<void> EndAt(uint64_t offset, uint32_t partition);
  Result<void> Start(uint32_t partition);
  void Stop(uint32_t partition);
  Result<void> Fill(uint32_t partition);
  Result<void> Take(const rd_kafka_message_t& message, Source& source);

  const std::string topic_name_;
  const Clock& clock_;
  KafkaLog log_;
  ReadSignal readable_;  // outlives the queues
  std::unique_ptr<KafkaClient> client_;
  rd_kafka_topic_t* topic_ = nullptr;
  std::vector<Source> sources_;  // by partition
  int64_t progress_ns_ = 0;
  uint64_t gone_ = 0;
};

}  // namespace weft::transport
