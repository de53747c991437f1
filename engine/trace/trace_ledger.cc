// What stage 2 logs besides verdicts, and reads back: notes of what is durable, and on weft.state
// what became of the spans below the committed offset, and what samplers have learned.
#include "engine/api/ledger_record.h"
#include "engine/trace/trace_partition.h"

namespace weft::trace {
namespace {

constexpr uint8_t kStage = 2;
constexpr std::pair<const char*, RowFate> kNames[] = {{"stored", RowFate::kStored},
                                                      {"sampled_out", RowFate::kSampledOut},
                                                      {"replaced", RowFate::kReplaced},
                                                      {"dropped", RowFate::kDropped}};

// As of correlators: process and name.
uint64_t StateKey(std::string_view name) { return HashCombine(HashText(name), HashText(name)); }

}  // namespace

bool TracePartition::Ended(RowRef row) const {
  return (buffer_.Columns(row).flags[SpanBuffer::Row(row)] & WEFT_FLAG_OPEN) == 0;
}

Result<void> TracePartition::Restore(const transport::Record& decision) {
  if (decision.stream == transport::Stream::kState)
    return decision.type == transport::RecordType::kCorrelatorState ? RestoreState(decision)
                                                                    : RestoreLedger(decision);
  auto result = decisions_.Restore(decision.payload);
  if (!result) counters_.bad_decisions.Add();
  return result;
}

Result<void> TracePartition::RestoreLedger(const transport::Record& record) {
  if (record.type != transport::RecordType::kStageLedger) return {};
  auto ledger = api::DecodeStageLedger(record.payload);
  if (!ledger) return Context(std::move(ledger.error()), "weft.state");
  if (ledger->stage != kStage) return {};
  for (const auto& [name, fate] : kNames) told_[fate] = ledger->Count(name);
  offsets_.RestoreSettled(told_);
  told_dead_end_ = dead_end_ = ledger->Count("dead_end");
  return {};
}

// The counts change only when the committed offset moves, and go with it: never twice, never not.
void TracePartition::AddLedger(transport::Transaction& transaction) {
  if (offsets_.settled() == told_ && dead_end_ == told_dead_end_) return;
  told_ = offsets_.settled();
  told_dead_end_ = dead_end_;
  api::StageLedger ledger{kStage, tenure_.partition, {}, {}};
  for (const auto& [name, fate] : kNames) ledger.counts.emplace_back(name, told_[fate]);
  ledger.counts.emplace_back("dead_end", dead_end_);
  transaction.out.push_back({transport::Stream::kState, tenure_.partition,
                             transport::RecordType::kStageLedger, api::StageLedgerKey(kStage),
                             api::EncodeStageLedger(ledger)});
}

// Decisions between the last save and a death are read back from their log; what a limiter spent on
// them is not, which is a few seconds' budget.
void TracePartition::SaveState(transport::Transaction& transaction) {
  if (!learned_ || !samplers_->stateful() ||
      (now_ns_ - saved_ns_ < config_.save_state_ns && !leaving_))
    return;
  saved_ns_ = now_ns_;
  learned_ = false;
  for (auto& [name, bytes] : samplers_->Save())
    transaction.out.push_back(
        {transport::Stream::kState, tenure_.partition, transport::RecordType::kCorrelatorState,
         StateKey(name), api::EncodeState({HashText(name), name, now_ns_, std::move(bytes)})});
}

Result<void> TracePartition::RestoreState(const transport::Record& record) {
  if (!samplers_->stateful()) return {};
  auto state = api::DecodeState(record.payload);
  if (!state) return Context(std::move(state.error()), "weft.state");
  // Stage 1's correlators keep theirs in the same stream.
  if (state->correlator.starts_with("sampler/"))
    samplers_->Load({std::move(state->correlator), std::move(state->state)});
  return {};
}

void TracePartition::Replace(std::vector<Sampler> samplers, Metrics& metrics, Logger& log) {
  auto next = std::make_unique<SamplerChain>(std::move(samplers), metrics, log);
  for (const SamplerChain::State& state : samplers_->Save()) next->Load(state);
  samplers_ = std::move(next);
}

// Most traces are below the committed offset soon after, and need no note.
void TracePartition::NoteDone() {
  if (durable_.empty() || (now_ns_ - noted_ns_ < config_.note_done_ns && !close_all_ && !leaving_))
    return;
  noted_ns_ = now_ns_;
  for (const auto& trace : durable_)
    if (trace.end_offset > committed_)
      decisions_.NoteDone(trace.id, trace.verdict, trace.end_offset);
  durable_.clear();
}

}  // namespace weft::trace
