#include "engine/stitch/agent_table.h"

#include <algorithm>

#include "engine/base/clock.h"

namespace weft::stitch {
namespace {

// Long enough that some batch of it went through at once; short enough that a host which was
// suspended (its monotonic clock stood still) is believed again soon.
constexpr int64_t kOffsetMinute = 60 * kSecond;

}  // namespace

int64_t Agent::LogOffsetNs() const { return std::min(least_offset_ns[0], least_offset_ns[1]); }

uint32_t AgentTable::Find(uint64_t agent_id) const {
  const uint32_t* number = by_id_.Find(agent_id);
  return number == nullptr ? kNone : *number;
}

uint32_t AgentTable::FindOrAdd(const api::EventHeader& header) {
  const auto [number, fresh] = by_id_.Insert(header.agent_id);
  if (fresh) {
    *number = static_cast<uint32_t>(agents_.size());
    agents_.emplace_back();
    agents_.back().id = header.agent_id;
    agents_.back().host_id = header.host_id;
  }
  return *number;
}

void AgentTable::Expect(const api::AgentTally& tally, int64_t log_now) {
  api::EventHeader header;
  header.agent_id = tally.agent_id;
  header.host_id = tally.host_id;
  Agent& agent = agents_[FindOrAdd(header)];
  // Where it was lost ahead of this, reading again will come to that.
  agent.lost = tally.end == api::AgentEnd::kLost && tally.spoken_ns < log_now;
  agent.last_append_ns = agent.lost ? tally.spoken_ns : log_now;
}

bool AgentTable::NoteSequence(Agent& agent, uint64_t sequence, const api::SequenceSet* settled,
                              uint64_t* gap) {
  *gap = 0;
  if (settled != nullptr && settled->Has(sequence)) return false;
  // Where reading begins. What is below may come late.
  if (!agent.read)
    agent.read = sequence == 0 ? api::SequenceSet(0) : api::SequenceSet(sequence, {{0, sequence}});
  const uint64_t end = std::max(agent.read->end(), settled == nullptr ? 0 : settled->end());
  *gap = sequence > end ? sequence - end : 0;
  return agent.read->Add(sequence);
}

void AgentTable::NoteOffset(Agent& agent, const api::EventHeader& header, int64_t append_ns) {
  if (agent.offset_minute_begin_ns == INT64_MIN) agent.offset_minute_begin_ns = append_ns;
  if (append_ns - agent.offset_minute_begin_ns >= kOffsetMinute) {
    agent.offset_minute_begin_ns = append_ns;
    agent.least_offset_ns[1] = agent.least_offset_ns[0];
    agent.least_offset_ns[0] = INT64_MAX;
  }
  agent.least_offset_ns[0] = std::min(agent.least_offset_ns[0], append_ns - header.now_ns);
}

void AgentTable::NoteBatch(Agent& agent, const api::EventHeader& header, int64_t append_ns,
                           int64_t grace_ns) {
  const int64_t watermark = std::min(header.watermark_ns, header.now_ns);
  agent.watermark_ns = std::max(agent.watermark_ns, watermark);
  agent.log_watermark_ns =
      std::max(agent.log_watermark_ns, watermark + agent.LogOffsetNs() - grace_ns);
  agent.now_ns = std::max(agent.now_ns, header.now_ns);
  agent.last_append_ns = std::max(agent.last_append_ns, append_ns);
  agent.last |= header.last;
  agent.lost = agent.lost_announced = false;
  for (const std::string& address : header.addresses) addresses_[HashText(address)] = 1;
}

int64_t AgentTable::LogWatermark(int64_t none) const {
  int64_t lowest = INT64_MAX;
  for (const Agent& a : agents_)
    if (!a.gone()) lowest = std::min(lowest, a.log_watermark_ns);
  return lowest == INT64_MAX ? none : lowest;
}

int64_t AgentTable::WatermarkWithLost(int64_t none, int64_t since_ns) const {
  int64_t lowest = LogWatermark(none);
  for (const Agent& a : agents_)
    if (a.lost && !a.last && a.last_append_ns > since_ns)
      lowest = std::min(lowest, a.log_watermark_ns);
  return lowest;
}

}  // namespace weft::stitch
