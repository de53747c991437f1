// Resharder: recorded batches for a transport with another number of partitions.
//
// The rows of a batch go where their agent would have put them. Each (agent, new partition) gets
// sequences of its own, and the watermark that holds for all of the agent's old partitions; it is
// told to every new partition of the agent, also when there are no rows. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "engine/api/codec.h"
#include "engine/transport/transport.h"

namespace weft::sources {

class Resharder {
 public:
  explicit Resharder(uint32_t partitions) : partitions_(partitions) {}

  // The batches to publish in place of `batch`, which was recorded in `old_partition`.
  std::vector<transport::OutRecord> Split(uint32_t old_partition, const api::EventBatch& batch);

 private:
  struct Target {
    uint64_t sequence = 0;
    uint64_t observed = 0;  // ended rows
    int64_t told_ns = 0;    // nowNs of the last batch
  };
  struct Agent {
    std::map<uint32_t, int64_t> watermark_of_old;
    std::map<uint32_t, Target> targets;
  };

  uint32_t partitions_;
  std::map<uint64_t, Agent> agents_;
};

}  // namespace weft::sources
