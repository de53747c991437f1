// Stage 1's counters, and its part of the ledger on weft.state (see PartitionLedger).
#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {

namespace {

constexpr int64_t kAgentLedgerEvery = 5 * kSecond;

}  // namespace

StitchCounters::StitchCounters(Metrics& m)
    : records(m.Get("stitch.records")),
      dead(m.Get("stitch.dead_records")),
      dead_repeated(m.Get("stitch.dead_repeated")),
      duplicate_batches(m.Get("stitch.duplicate_batches")),
      sequence_gaps(m.Get("stitch.sequence_gaps")),
      spans(m.Get("stitch.spans")),
      ended_by_engine(m.Get("stitch.ended_by_engine")),
      emitted(m.Get("stitch.emitted")),
      emitted_open(m.Get("stitch.emitted_open")),
      pending(m.Get("stitch.pending")),
      handed_over(m.Get("stitch.handed_over")),
      duplicates(m.Get("stitch.duplicates")),
      late(m.Get("stitch.late")),
      windows(m.Get("stitch.windows")),
      calls(m.Get("stitch.calls")),
      unlinked(m.Get("stitch.unlinked")),
      roots(m.Get("stitch.roots")),
      answers(m.Get("stitch.answers")),
      late_answers(m.Get("stitch.late_answers")),
      answer_deadline(m.Get("stitch.answer_deadline")),
      answer_patience(m.Get("stitch.answer_patience")),
      same_keys(m.Get("stitch.same_keys")),
      context_conflicts(m.Get("stitch.context_conflicts")),
      untrusted_context(m.Get("stitch.untrusted_context")),
      agents_lost(m.Get("stitch.agents_lost")),
      sdk_spans(m.Get("stitch.sdk_spans")),
      input_held(m.Get("stitch.input_held")),
      over_bytes(m.Get("stitch.over_bytes")),
      restored(m.Get("stitch.restored")),
      relearned(m.Get("stitch.relearned_windows")),
      relearned_otherwise(m.Get("stitch.relearned_otherwise")),
      compacted_bytes(m.Get("stitch.compacted_bytes")) {}

void StitchCounters::Settle() {
  for (Tally* t : {&records,
                   &dead,
                   &dead_repeated,
                   &duplicate_batches,
                   &sequence_gaps,
                   &spans,
                   &ended_by_engine,
                   &emitted,
                   &emitted_open,
                   &pending,
                   &handed_over,
                   &duplicates,
                   &late,
                   &windows,
                   &calls,
                   &unlinked,
                   &roots,
                   &answers,
                   &late_answers,
                   &answer_deadline,
                   &answer_patience,
                   &same_keys,
                   &context_conflicts,
                   &untrusted_context,
                   &agents_lost,
                   &sdk_spans,
                   &input_held,
                   &over_bytes,
                   &restored,
                   &relearned,
                   &relearned_otherwise,
                   &compacted_bytes})
    t->Settle();
}

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
