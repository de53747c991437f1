// KafkaFence: ends the transaction that a dead owner of a partition has left open.
//
// Left alone, the brokers end it when its time is over, 10 to 20 s later, and nobody can take the
// partition over before. The committed offset's metadata names the transactional id of whoever
// committed last; starting a producer with that id aborts what is open under it, and fences the
// other one if it lives after all. Used by KafkaOwner, of a partition that the group has given to
// this process while its offset is in an open transaction. One per process and stage; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "engine/transport/kafka_context.h"

namespace weft::transport {

// The newest record of a stream that could not be read and is on weft.dead. Its append time tells a
// topic that was made anew: there offsets begin again.
struct DeadEnd {
  uint64_t end = 0;  // offset behind it
  int64_t append_ns = 0;
  friend bool operator==(const DeadEnd&, const DeadEnd&) = default;
};
using DeadEnds = std::map<Stream, DeadEnd>;

// What is stored with an offset. Of stage 1: the append time of the first link that is needed
// (Transaction), INT64_MAX where nobody has said.
std::string OffsetMetadata(uint64_t generation, std::string_view transactional_id,
                           int64_t links_from_ns = INT64_MAX, const DeadEnds& dead = {});
int64_t StoredLinksFrom(std::string_view metadata);
DeadEnds StoredDead(std::string_view metadata);
uint64_t StoredGeneration(std::string_view metadata);     // 0: none
std::string_view StoredOwner(std::string_view metadata);  // "": of an earlier version

class KafkaFence {
 public:
  // `transactional_id` is this process's own. `context` outlives the fence.
  KafkaFence(KafkaContext& context, Stage stage, std::string transactional_id);

  // Waits until it is done, some seconds at most; once per owner. A failure is logged: the brokers
  // will end the transaction.
  void EndLastOwner(uint32_t partition);

 private:
  Result<std::string> LastOwner(uint32_t partition) const;
  Result<void> Fence(const std::string& transactional_id) const;

  KafkaContext& context_;
  const Stage stage_;
  const std::string own_;
  Counter& fenced_;
  std::mutex mutex_;
  std::set<std::string> done_;
};

}  // namespace weft::transport
