// Stage 2's part of the ledger on weft.state: what became of the spans below the committed offset.
#include "engine/api/ledger_record.h"
#include "engine/trace/trace_partition.h"

namespace weft::trace {
namespace {

constexpr uint8_t kStage = 2;
constexpr std::pair<const char*, RowFate> kNames[] = {{"stored", RowFate::kStored},
                                                      {"sampled_out", RowFate::kSampledOut},
                                                      {"replaced", RowFate::kReplaced},
                                                      {"dropped", RowFate::kDropped}};

}  // namespace

bool TracePartition::Ended(RowRef row) const {
  return (buffer_.Spans(row).flags[SpanBuffer::Row(row)] & WEFT_FLAG_OPEN) == 0;
}

Result<void> TracePartition::RestoreLedger(const transport::Record& record) {
  if (record.type != transport::RecordType::kStageLedger) return {};
  auto ledger = api::DecodeStageLedger(record.payload);
  if (!ledger) return Context(std::move(ledger.error()), "weft.state");
  if (ledger->stage != kStage) return {};
  for (const auto& [name, fate] : kNames) told_[fate] = ledger->Count(name);
  offsets_.RestoreSettled(told_);
  return {};
}

// The counts change only when the committed offset moves, and go with it: never twice, never not.
void TracePartition::AddLedger(transport::Transaction& transaction) {
  if (offsets_.settled() == told_) return;
  told_ = offsets_.settled();
  api::StageLedger ledger{kStage, tenure_.partition, {}, {}};
  for (const auto& [name, fate] : kNames) ledger.counts.emplace_back(name, told_[fate]);
  transaction.out.push_back({transport::Stream::kState, tenure_.partition,
                             transport::RecordType::kStageLedger, api::StageLedgerKey(kStage),
                             api::EncodeStageLedger(ledger)});
}

}  // namespace weft::trace
