#include "engine/stitch/partition_ledger.h"

#include <algorithm>

namespace weft::stitch {
namespace {

constexpr uint8_t kStage = 1;
constexpr size_t kMaxAgents = 256;  // of those, the ones that have ended are forgotten

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
  dead_events_end_ = ledger.Count("dead_events_end");
  dead_links_end_ = ledger.Count("dead_links_end");
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
  // Recordings of old do not say what was observed before.
  agent.sealed = std::max(agent.sealed + (header.observed_before == 0 ? ended : 0),
                          header.observed_before + ended);
  agent.received += ended;
  Add(&received_, ended);
  const api::AgentEnd end = header.last ? api::AgentEnd::kStopped : api::AgentEnd::kSpeaking;
  changed_ |= fresh || agent.end != end;
  agent.end = end;
  agent.spoken_ns = 0;
  if (agents_.size() > kMaxAgents) ForgetOldest();
  return true;
}

const api::SequenceSet* PartitionLedger::ReadOf(uint64_t agent_id) const {
  const uint32_t* number = by_id_.Find(agent_id);
  return number == nullptr ? nullptr : &agents_[*number].read;
}

void PartitionLedger::AgentLost(uint64_t agent_id, int64_t spoken_ns) {
  const uint32_t* number = by_id_.Find(agent_id);
  if (number == nullptr || agents_[*number].end == api::AgentEnd::kLost) return;
  agents_[*number].end = api::AgentEnd::kLost;
  agents_[*number].spoken_ns = spoken_ns;
  changed_ = true;
}

bool PartitionLedger::NoteDead(transport::Stream stream, uint64_t offset) {
  const bool links = stream == transport::Stream::kLinks;
  if (!links && stream != transport::Stream::kEvents) return true;
  uint64_t& end = links ? dead_links_end_ : dead_events_end_;
  if (offset < end) return false;
  end = offset + 1;
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
                                  {"dead_events_end", dead_events_end_},
                                  {"dead_links_end", dead_links_end_}},
                                 agents_});
}

}  // namespace weft::stitch
