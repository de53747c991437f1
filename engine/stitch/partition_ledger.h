// PartitionLedger: what stage 1 has counted in its partition since the deployment began.
//
// Owned by StitchPartition. Batches count when they are first read, and are known again by their
// agent's sequence when a new owner reads them once more; spans count when they go to weft.spans.
// Both are true of the transaction in which the record of TakeRecord goes out, so at rest
//   received + forced = emitted + duplicates
// to the unit, whoever owned the partition meanwhile; and sealed - received of each agent is what
// it wrote and the log never got. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "engine/api/codec.h"
#include "engine/api/ledger_record.h"
#include "engine/base/flat_map.h"
#include "engine/transport/transport.h"

namespace weft::stitch {

class PartitionLedger {
 public:
  explicit PartitionLedger(uint32_t partition) : partition_(partition) {}

  void Restore(const api::StageLedger& ledger);
  // A batch with so many ended observations; false: an owner before this one has counted it.
  bool CountBatch(const api::EventHeader& header, uint64_t ended);
  // Which of the agent's batches lay below the committed offset when it was restored, or do by now:
  // what comes of them is a repeat. Null: none.
  const api::SequenceSet* SettledOf(uint64_t agent_id) const;
  // The batch, which is no repeat and was counted, is the record with this offset. `rows`: of it.
  void NoteBatch(const api::EventHeader& header, uint64_t offset, size_t rows);
  // To be committed with the next record: everything below is decided.
  void Settle(uint64_t offset);
  // `spoken_ns`: when its newest batch was appended.
  void AgentLost(uint64_t agent_id, int64_t spoken_ns);
  // Ended observations that will not be emitted, because their span was.
  void CountDuplicate() { Add(&duplicates_, 1); }
  // To weft.spans. `forced`: there is no observation of its end, the engine ended it.
  void CountEmitted(bool forced) {
    Add(&emitted_, 1);
    if (forced) Add(&forced_, 1);
  }

  // A record that cannot be decoded; false: an owner before this one has put it on weft.dead (known
  // of events and links alone).
  bool NoteDead(const transport::Record& record);

  const std::vector<api::AgentTally>& agents() const { return agents_; }

  // What is true now; null where nothing has changed since the last time.
  api::PayloadPtr TakeRecord();

 private:
  void Add(uint64_t* count, uint64_t n) {
    *count += n;
    changed_ |= n != 0;
  }
  void ForgetOldest();

  const uint32_t partition_;
  uint64_t received_ = 0, emitted_ = 0, forced_ = 0, duplicates_ = 0;
  // Of agents that are no longer in the list.
  uint64_t gone_sealed_ = 0, gone_received_ = 0, gone_stopped_ = 0, gone_lost_ = 0;
  // The newest one. What was appended later and has an offset below is in a topic that was made
  // anew: times go on, offsets begin again.
  struct Dead {
    uint64_t end = 0;  // offset behind it
    int64_t append_ns = 0;
  };
  Dead dead_events_, dead_links_;
  std::vector<api::AgentTally> agents_;
  struct Unsettled {
    uint64_t offset, agent_id, sequence;
    bool rows;
  };
  std::deque<Unsettled> unsettled_;  // by offset
  FlatMap<uint32_t> by_id_;
  bool changed_ = false;
};

}  // namespace weft::stitch
