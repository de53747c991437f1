// AgentTable: the agents that write to a partition: their sequences, watermarks, and silence.
//
// A watermark is event time of the agent's host; its log time counterpart is what crosses hosts
// (ARCHITECTURE.md, "Time"). An agent that stopped in order or was lost holds nothing back. Agent
// numbers are stable. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/api/codec.h"
#include "engine/api/ledger_record.h"
#include "engine/api/sequence_set.h"
#include "engine/base/flat_map.h"
#include "engine/stitch/row_store.h"

namespace weft::stitch {

struct OpenRow {
  uint32_t row;
  uint16_t age;
};

struct Agent {
  uint64_t id = 0;
  std::string host_id;
  int64_t watermark_ns = INT64_MIN;  // event time
  int64_t log_watermark_ns = INT64_MIN;
  int64_t now_ns = INT64_MIN;  // event time of its newest batch
  // The least (append time - event time) of this minute and of the one before: what is nearest to
  // the difference of the two clocks. A single batch that was delayed says too much.
  int64_t least_offset_ns[2] = {INT64_MAX, INT64_MAX};
  int64_t offset_minute_begin_ns = INT64_MIN;
  int64_t last_append_ns = 0;
  std::optional<api::SequenceSet> read;
  bool last = false;
  bool lost = false;
  bool lost_announced = false;
  std::vector<uint32_t> processes;  // whose spans it has sent
  std::vector<OpenRow> open_rows;   // announced; some have ended since

  bool gone() const { return last || lost; }
  // What turns its event time into log time. Requires: NoteOffset was called.
  int64_t LogOffsetNs() const;
};

class AgentTable {
 public:
  uint32_t Find(uint64_t agent_id) const;  // kNone
  uint32_t FindOrAdd(const api::EventHeader& header);
  // An agent that an owner before this one had heard: it holds watermarks until it speaks or is
  // lost. One that was lost already, and may come back, is so here too.
  void Expect(const api::AgentTally& tally, int64_t log_now);
  Agent& operator[](uint32_t number) { return agents_[number]; }
  size_t size() const { return agents_.size(); }

  // False: this (agent, sequence) was read here before, or is in `settled`: what was read of it
  // below the offset where reading begins. *gap: how many before it are missing by now.
  static bool NoteSequence(Agent& agent, uint64_t sequence, const api::SequenceSet* settled,
                           uint64_t* gap);
  // Learns from the stamps of a batch that has been read how the agent's clock and the log's
  // relate.
  static void NoteOffset(Agent& agent, const api::EventHeader& header, int64_t append_ns);
  // Takes over watermark and addresses of a batch that has been consumed.
  void NoteBatch(Agent& agent, const api::EventHeader& header, int64_t append_ns, int64_t grace_ns);

  // The minimum over agents that are not gone; `none` if there is none.
  int64_t LogWatermark(int64_t none) const;
  // The same with agents that were lost and may come back: who spoke after `since_ns`.
  int64_t WatermarkWithLost(int64_t none, int64_t since_ns) const;
  // Whether the address belongs to the host of an agent seen here.
  bool HasAddress(std::string_view address) const {
    return addresses_.Find(HashText(address)) != nullptr;
  }

 private:
  std::vector<Agent> agents_;
  FlatMap<uint32_t> by_id_;
  FlatMap<uint8_t> addresses_;
};

}  // namespace weft::stitch
