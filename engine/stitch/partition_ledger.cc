#include "engine/stitch/partition_ledger.h"

#include <algorithm>

namespace weft::stitch {
namespace {

constexpr uint8_t kStage = 1;
constexpr size_t kMaxAgents = 256;  // of those, the ones that have ended are forgotten

uint64_t Count(int64_t ns) { return static_cast<uint64_t>(std::max<int64_t>(ns, 0)); }

}  // namespace

void PartitionLedger::Restore(const api::StageLedger& ledger) {
  if (ledger.stage != kStage) return;
  received_ = ledger.Count("received");
  emitted_ = ledger.Count("emitted");
  forced_ = ledger.Count("forced");
  duplicates_ = ledger.Count("duplicates");
  gone_sealed_ = ledger.Count("gone_sealed");
  gone_received_ = ledger.Count("gone_received");
  gone_stopped_ = ledger.Count("gone_stopped");
  gone_lost_ = ledger.Count("gone_lost");
  const auto time = [&](const char* name) { return static_cast<int64_t>(ledger.Count(name)); };
  dead_events_ = {ledger.Count("dead_events_end"), time("dead_events_ns")};
  dead_links_ = {ledger.Count("dead_links_end"), time("dead_links_ns")};
  agents_ = ledger.agents;
  for (size_t i = 0; i < agents_.size(); ++i)
    *by_id_.Insert(agents_[i].agent_id).first = static_cast<uint32_t>(i);
}

bool PartitionLedger::CountBatch(const api::EventHeader& header, uint64_t ended) {
  const auto [number, fresh] = by_id_.Insert(header.agent_id);
  if (fresh) {
    *number = static_cast<uint32_t>(agents_.size());
    agents_.push_back({header.agent_id, header.host_id});
  }
  api::AgentTally& agent = agents_[*number];
  if (!agent.read.Add(header.sequence)) return false;
  agent.received += ended;
  // Recordings of old do not say what was observed before.
  agent.sealed = std::max({agent.sealed, agent.received, header.observed_before + ended});
  Add(&received_, ended);
  const api::AgentEnd end = header.last ? api::AgentEnd::kStopped : api::AgentEnd::kSpeaking;
  changed_ |= fresh || agent.end != end;
  agent.end = end;
  agent.spoken_ns = 0;
  if (agents_.size() > kMaxAgents) ForgetOldest();
  return true;
}

const api::SequenceSet* PartitionLedger::SettledOf(uint64_t agent_id) const {
  const uint32_t* number = by_id_.Find(agent_id);
  return number == nullptr ? nullptr : &agents_[*number].settled;
}

void PartitionLedger::NoteBatch(const api::EventHeader& header, uint64_t offset, size_t rows) {
  unsettled_.push_back({offset, header.agent_id, header.sequence, rows != 0});
}

void PartitionLedger::Settle(uint64_t offset) {
  for (; !unsettled_.empty() && unsettled_.front().offset < offset; unsettled_.pop_front()) {
    const Unsettled& batch = unsettled_.front();
    const uint32_t* number = by_id_.Find(batch.agent_id);
    if (number == nullptr) continue;
    agents_[*number].settled.Add(batch.sequence);
    changed_ |= batch.rows;  // what repeats a heartbeat does nothing
  }
}

void PartitionLedger::AgentLost(uint64_t agent_id, int64_t spoken_ns) {
  const uint32_t* number = by_id_.Find(agent_id);
  if (number == nullptr || agents_[*number].end == api::AgentEnd::kLost) return;
  agents_[*number].end = api::AgentEnd::kLost;
  agents_[*number].spoken_ns = spoken_ns;
  changed_ = true;
}

bool PartitionLedger::NoteDead(const transport::Record& record) {
  const bool links = record.stream == transport::Stream::kLinks;
  if (!links && record.stream != transport::Stream::kEvents) return true;
  Dead& newest = links ? dead_links_ : dead_events_;
  if (record.offset < newest.end && record.append_ns <= newest.append_ns) return false;
  newest = {record.offset + 1, record.append_ns};
  changed_ = true;
  return true;
}

void PartitionLedger::ForgetOldest() {
  const auto oldest = std::ranges::find_if(
      agents_, [](const auto& a) { return a.end != api::AgentEnd::kSpeaking; });
  if (oldest == agents_.end()) return;
  gone_sealed_ += oldest->sealed;
  gone_received_ += oldest->received;
  ++(oldest->end == api::AgentEnd::kLost ? gone_lost_ : gone_stopped_);
  agents_.erase(oldest);
  by_id_ = {};
  for (size_t i = 0; i < agents_.size(); ++i)
    *by_id_.Insert(agents_[i].agent_id).first = static_cast<uint32_t>(i);
}

api::PayloadPtr PartitionLedger::TakeRecord() {
  if (!changed_) return nullptr;
  changed_ = false;
  return api::EncodeStageLedger({kStage,
                                 partition_,
                                 {{"received", received_},
                                  {"emitted", emitted_},
                                  {"forced", forced_},
                                  {"duplicates", duplicates_},
                                  {"gone_sealed", gone_sealed_},
                                  {"gone_received", gone_received_},
                                  {"gone_stopped", gone_stopped_},
                                  {"gone_lost", gone_lost_},
                                  {"dead_events_end", dead_events_.end},
                                  {"dead_events_ns", Count(dead_events_.append_ns)},
                                  {"dead_links_end", dead_links_.end},
                                  {"dead_links_ns", Count(dead_links_.append_ns)}},
                                 agents_});
}

}  // namespace weft::stitch
