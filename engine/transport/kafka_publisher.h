// KafkaPublisher: what sources publish, to weft.events, by an idempotent producer.
//
// Bounded in bytes that no broker has acknowledged: Publish waits for room. What is in is kept, and
// tried for as long as the process lives: a client that has met an error which only a new one can
// leave behind is replaced, and what it had no acknowledgement of goes out again, in order, before
// anything newer. Some of it may then be in the log twice; stage 1 knows it by agent and sequence.
// A client's first record of a partition goes alone: a broker that has not heard of the client
// takes whatever comes first, so of two requests under way the second might be there before the
// first. Lost, and counted with the reason, is only what brokers refuse for good, and what is left
// when this closes and no spool keeps. Used by KafkaTransport and, without one, by agents. Any
// thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

// Brokers will never take a record of which they say this, from no client. Not what an operator may
// mend (permissions, partitions): that is waited out, or a mistake there would empty the spool.
bool IsFinalRefusal(rd_kafka_resp_err_t error);

class KafkaPublisher {
 public:
  static Result<std::unique_ptr<KafkaPublisher>> Open(KafkaContext& context);
  // Closes.
  ~KafkaPublisher();

  // As Publisher's.
  Result<void> Publish(OutRecord record, int64_t deadline_ns);
  // Wakes who waits for room; Publish fails from now on.
  void Refuse();
  // Waits for acknowledgements by then; what has none is counted as lost unless a spool keeps it.
  void Close(int64_t wait_ns);

 private:
  struct Sent {  // librdkafka points into it until the delivery report
    OutRecord record;
    size_t bytes = 0;
    bool settled = false;
    bool first = false;  // of its partition, for the client that has it
  };
  using Lock = std::unique_lock<std::mutex>;

  explicit KafkaPublisher(KafkaContext& context);
  Result<std::unique_ptr<KafkaClient>> OpenClient();
  void Run();
  void Delivered(const rd_kafka_message_t& message);
  void NoteAppendTime(const rd_kafka_message_t& message);
  void Settle(Sent& sent, bool delivered);
  // By the broker, which refuses whole batches.
  void RefusedWithItsBatch(Sent& sent, rd_kafka_resp_err_t error);
  void Refused(Sent& sent, rd_kafka_resp_err_t error);
  bool SharesABatch(const Sent& sent) const;
  // Gives the client the next record that it does not have yet, or puts it off.
  rd_kafka_resp_err_t HandOver();
  rd_kafka_resp_err_t HandOver(Sent& next);
  void HandOverAll(Lock& lock);
  void HandOverPutOff(Lock& lock, uint32_t partition);
  // True: there was room for it.
  bool Handed(Lock& lock, Sent& sent, rd_kafka_resp_err_t error);
  void Break(rd_kafka_resp_err_t error);
  void WidenBatches();
  void Replace(Lock& lock);
  bool Fits(size_t bytes) const;

  KafkaContext& context_;
  Counter &records_, &full_, &replaced_, &repeated_, &in_flight_gauge_;
  std::vector<Counter*> failed_;  // by partition
  bool stamped_ = false;          // an acknowledgement had an append time

  std::mutex mutex_;
  std::condition_variable room_;
  std::unique_ptr<KafkaClient> client_;  // changed by the thread; null: a new one is being made
  std::deque<Sent> sent_;                // not acknowledged, in order; some behind the first may be
  size_t handed_ = 0;                    // of those, the first are the client's, or put off
  // What the client has acknowledged of a partition, and what waits for its first record.
  enum class First : uint8_t { kNone, kUnderWay, kThere };
  struct Begin {
    First first = First::kNone;
    std::deque<Sent*> put_off{};
  };
  std::vector<Begin> begins_;  // by partition
  // The client's batches, and the next one's: smaller once a batch of several was refused for good.
  const size_t whole_batch_bytes_;  // where nothing was refused
  size_t batch_bytes_, next_batch_bytes_;
  int64_t refused_ns_ = INT64_MIN / 2;  // the last time
  size_t in_flight_ = 0;                // bytes
  bool broken_ = false;                 // the client takes no more: it is to be replaced
  int64_t replace_ns_ = INT64_MIN, backoff_ns_ = 0;
  bool refusing_ = false;
  bool stopping_ = false;
  std::thread thread_;  // takes acknowledgements, replaces the client
};

}  // namespace weft::transport
