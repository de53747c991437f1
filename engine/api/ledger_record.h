// The ledger's records on weft.state: what each stage has counted per partition, and what agents
// told of themselves.
//
// A StageLedger is written in the transaction that makes it true, so whoever takes the partition
// over goes on counting from there, and a replay counts nothing twice. `weft doctor --kafka` sums
// them up. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/payload.h"
#include "engine/api/sequence_set.h"
#include "engine/base/hash.h"
#include "engine/base/result.h"

namespace weft::api {

using NamedCounts = std::vector<std::pair<std::string, uint64_t>>;

enum class AgentEnd : uint8_t { kSpeaking = 0, kStopped = 1, kLost = 2 };

// One agent's batches in one partition.
struct AgentTally {
  uint64_t agent_id = 0;
  std::string host_id;
  SequenceSet read{};
  uint64_t sealed = 0, received = 0;
  AgentEnd end = AgentEnd::kSpeaking;
  int64_t spoken_ns = 0;  // of one that fell silent: when its newest batch was appended
  SequenceSet settled{};  // of `read`, what lies below the committed offset
};

// The stage of whoever writes spans of others to weft.spans; its counts are "reported".
inline constexpr uint8_t kOthersStage = 3;

struct StageLedger {
  uint8_t stage = 0;
  uint32_t partition = 0;
  NamedCounts counts;
  std::vector<AgentTally> agents;

  uint64_t Count(std::string_view name) const;
};

struct AgentLedger {
  uint64_t agent_id = 0;
  std::string host_id, host_name;
  NamedCounts counts;
  bool last = false;
};

// Keys on weft.state.
inline uint64_t StageLedgerKey(uint8_t stage) { return HashCombine(HashText("ledger"), stage); }
// Several write spans of others to one partition, and each counts for itself.
inline uint64_t OthersLedgerKey(std::string_view writer, uint64_t count) {
  return HashCombine(HashCombine(StageLedgerKey(kOthersStage), HashText(writer)), count);
}
inline uint64_t AgentLedgerKey(uint64_t agent_id) {
  return HashCombine(HashText("agent ledger"), agent_id);
}

PayloadPtr EncodeStageLedger(const StageLedger& ledger);
Result<StageLedger> DecodeStageLedger(const PayloadPtr& payload);
PayloadPtr EncodeAgentLedger(const AgentLedger& ledger);
Result<AgentLedger> DecodeAgentLedger(const PayloadPtr& payload);

}  // namespace weft::api
