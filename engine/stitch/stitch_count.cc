// Stage 1's part of the ledger on weft.state; see PartitionLedger.
#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {

namespace {

constexpr int64_t kAgentLedgerEvery = 5 * kSecond;

}  // namespace

void StitchPartition::Impl::CountBatch(const api::EventHeader& header, uint64_t ended) {
  counting_ = ledger_.CountBatch(header, ended);
  if (counting_ && !header.ledger.empty()) KeepAgentLedger(header);
}

// Its running totals: for the sums over all agents, which are not more exact than this.
void StitchPartition::Impl::KeepAgentLedger(const api::EventHeader& header) {
  const auto [told, fresh] = agent_ledgers_.Insert(header.agent_id);
  if (!fresh && !header.last && input_ns_ - *told < kAgentLedgerEvery) return;
  *told = input_ns_;
  outbox_.Raw({transport::Stream::kState, partition_, transport::RecordType::kAgentLedger,
               api::AgentLedgerKey(header.agent_id),
               api::EncodeAgentLedger({header.agent_id, header.host_id, header.host_name,
                                       header.ledger, header.last})});
}

}  // namespace weft::stitch
