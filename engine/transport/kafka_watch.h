// KafkaWatch: knows what time it was in the log when it ended where.
//
// A consumer cannot tell "nothing more was appended" from "nothing more has arrived". So a thread
// asks the brokers again and again for the ends (high watermarks, which count open transactions) of
// all watched partitions, in one request per broker. Who has read up to an end knows that he has
// read everything appended before the question was asked. While brokers do not answer, nothing is
// published: for the readers the log's time stands still. It stands still for some seconds more
// after a gap (an outage, a jump of the brokers' clocks, this process stopped), so that agents
// which were cut off as well are not taken for silent before they can speak again. Any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

// The partitions that one reader wants to know the ends of.
class WatchedEnds {
 public:
  explicit WatchedEnds(std::vector<std::pair<Stream, uint32_t>> inputs)
      : inputs_(std::move(inputs)) {}
  struct Snapshot {
    uint64_t number = 0;           // of the question; 0: none yet
    int64_t asked_ns = INT64_MIN;  // log time
    std::vector<uint64_t> ends;    // one per input
  };
  Snapshot Newest() const;

 private:
  friend class KafkaWatch;
  const std::vector<std::pair<Stream, uint32_t>> inputs_;
  mutable std::mutex mutex_;
  Snapshot newest_;
  // The watch's thread's.
  uint64_t asked_ = 0;
  int64_t last_asked_ns_ = INT64_MIN;
  int64_t held_until_ns_ = INT64_MIN;  // of the host's clock
};

// Of one reader: what log time it may be told, because it has read all that was appended before.
// Keeps to one snapshot until it is reached: under a steady load the newest one never would be. The
// brokers' clock may be set back: what is told stands still then and does not go back. One thread.
class CaughtUpTime {
 public:
  // `positions`: the next offset of each input. nullopt: nothing new is known.
  std::optional<int64_t> Look(const WatchedEnds::Snapshot& newest,
                              std::span<const uint64_t> positions);

 private:
  WatchedEnds::Snapshot target_;
  int64_t told_ns_ = INT64_MIN;
};

class KafkaWatch {
 public:
  static Result<std::unique_ptr<KafkaWatch>> Open(KafkaContext& context);
  ~KafkaWatch();

  // Owners: the caller, who may let go at any time, and this thread while it asks.
  void Add(const std::shared_ptr<WatchedEnds>& watched);
  // Asks now. How many there are of a topic; kNotFound where it does not exist.
  Result<uint32_t> Partitions(Stream stream);
  // Asks now.
  Result<uint64_t> End(Stream stream, uint32_t partition);
  // The first offset that is still there.
  Result<uint64_t> Earliest(Stream stream, uint32_t partition);
  // The first offset that was appended then or later, committed or not yet (a read-committed client
  // would be told of nothing behind the first open transaction); `end` where there is none.
  Result<uint64_t> OffsetAt(Stream stream, uint32_t partition, int64_t append_ns, uint64_t end);

 private:
  KafkaWatch(KafkaContext& context, std::unique_ptr<KafkaClient> client);
  void Run();
  void Ask(const std::vector<std::shared_ptr<WatchedEnds>>& watched);

  KafkaContext& context_;
  std::unique_ptr<KafkaClient> client_;
  Counter& failed_;
  Counter& gaps_;
  Counter& silent_;
  int64_t answered_ns_;  // of the host's clock; the thread's
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<std::weak_ptr<WatchedEnds>> watched_;
  std::thread thread_;
};

}  // namespace weft::transport
