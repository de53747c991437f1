// KafkaLedger: the sums of what agents and members of the groups have counted, over all of them and
// per partition, from the ledger's records on weft.state.
//
// `weft doctor --kafka` shows it. What is there is true of committed transactions, so nobody who
// was killed makes it wrong; it may lag behind by what is under way. Plain data and pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/api/ledger_record.h"

namespace weft::cli {

// One partition of weft.events (agents, stage 1) and the same of weft.spans (stage 2).
struct PartitionSums {
  uint64_t sealed = 0;                   // ended observations that agents wrote for it
  uint64_t received = 0;                 // ... that the log got
  uint64_t forced = 0;                   // spans that the engine ended
  uint64_t emitted = 0, duplicates = 0;  // what became of these
  uint64_t reported = 0;                 // spans of others, written to weft.spans
  uint64_t stored = 0, sampled_out = 0, replaced = 0, dropped = 0;

  uint64_t lost() const { return sealed - received; }
  int64_t under_way() const {
    return static_cast<int64_t>(received + forced) - static_cast<int64_t>(emitted + duplicates);
  }
  uint64_t settled() const { return stored + sampled_out + replaced + dropped; }
};

struct KafkaLedger {
  std::map<uint32_t, PartitionSums> partitions;
  PartitionSums all;
  uint64_t speaking = 0, stopped = 0, silent = 0;  // agents, by how they ended
  // By agents that fell silent: counted by them, never seen in the log. They may have seen more
  // that they did not live to count.
  uint64_t unknown_after_crash = 0;
  std::map<std::string, uint64_t> agents;  // the agents' own counters, summed

  // Linked by stage 1 or reported by others, and not settled by stage 2 yet.
  int64_t to_settle() const {
    return static_cast<int64_t>(all.emitted + all.reported) - static_cast<int64_t>(all.settled());
  }
  // More came out than went in: 0, or a bug.
  uint64_t unexplained() const;
  // One sum per line, for people.
  std::vector<std::string> Lines() const;
  static std::string Line(const PartitionSums& sums);
};

KafkaLedger SumLedgers(const std::vector<api::StageLedger>& stages,
                       const std::vector<api::AgentLedger>& agents);

}  // namespace weft::cli
