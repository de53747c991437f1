// SpoolAgents: the agents whose batches went through a spool and that have not said goodbye.
//
// A process that was killed leaves agents behind that never speak again. Its successor publishes
// what they had spooled, and then their farewell: to each partition that they wrote, with the next
// sequence, so that nothing waits for them. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/transport/transport.h"

namespace weft::transport {

class SpoolAgents {
 public:
  // Of each agent and partition in the order in which they were written.
  void Note(const OutRecord& record);

  // What would end each of them now. A farewell is itself a last batch: noting it forgets them.
  std::vector<OutRecord> Farewells() const;
  // Takes a farewell over from a segment: what is noted after it is newer.
  void Restore(const OutRecord& farewell) {
    newest_[{farewell.key, farewell.partition}] = {farewell, true};
  }

 private:
  struct Newest {
    OutRecord record;  // without its receipt
    bool farewell = false;
  };
  std::map<std::pair<uint64_t, uint32_t>, Newest> newest_;  // by agent, partition
};

}  // namespace weft::transport
