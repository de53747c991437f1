#include "sources/otlp/otlp_intake.h"

#include <optional>
#include <utility>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/api/ledger_record.h"
#include "engine/base/hash.h"

namespace weft::otlp {

using transport::OutRecord;
using transport::RecordType;
using transport::Stream;

namespace {

constexpr uint8_t kForeignStream = 255;        // of a DeadRecord: none of ours
constexpr uint32_t kNoPartition = UINT32_MAX;  // of a SpanBatch: it speaks for no watermark

}  // namespace

OtlpIntake::OtlpIntake(uint32_t partitions, std::string name, Metrics& metrics)
    : name_(std::move(name)),
      tables_(partitions),
      handed_(partitions),
      messages_(metrics.Get("otlp.messages")),
      bad_messages_(metrics.Get("otlp.bad_messages")),
      spans_(metrics.Get("otlp.spans")),
      invalid_spans_(metrics.Get("otlp.invalid_spans")) {}

// White space may precede JSON, and '\n' begins every protobuf message as well: its answer counts,
// unless it is none.
Result<Decoded> OtlpIntake::Decode(std::string_view message) {
  if (message.size() > api::kMaxRecordBytes / 4)
    return Fail(Code::kFull, "OTLP: the message has more than 16 MiB");
  const size_t first = message.find_first_not_of(" \t\r\n");
  const bool like_json = first != message.npos && message[first] == '{';
  if (!like_json) return proto_.Decode(message, &decoded_);
  if (message[0] != '\n') return json_.Decode(message, &decoded_);
  if (auto proto = proto_.Decode(message, &decoded_)) return proto;
  decoded_.Clear();
  return json_.Decode(message, &decoded_);
}

void OtlpIntake::Add(std::string_view message, const Origin& origin) {
  decoded_.Clear();
  ++counts_.messages;
  const auto decoded = Decode(message);
  if (!decoded) {
    ++counts_.bad;
    const uint32_t to = origin.partition % static_cast<uint32_t>(tables_.size());
    dead_.push_back({Stream::kDead, to, RecordType::kDeadRecord, 0,
                     api::EncodeDead({kForeignStream, origin.partition, origin.offset,
                                      decoded.error().message, std::string(message)})});
    return;
  }
  counts_.invalid += decoded->invalid;
  counts_.spans += decoded->spans;
  rows_ += decoded->spans;
  const api::SpanView view = decoded_.View();
  const auto partitions = static_cast<uint32_t>(tables_.size());
  std::vector<std::optional<api::RowCopier>> copiers(partitions);
  for (uint32_t row = 0; row < decoded_.n(); ++row) {
    const uint32_t to =
        PartitionOf(api::TraceKey({decoded_.trace_hi[row], decoded_.trace_lo[row]}), partitions);
    if (!copiers[to]) copiers[to].emplace(view.spans(), tables_[to]);
    copiers[to]->Copy(row);
  }
}

std::vector<OutRecord> OtlpIntake::Take() {
  std::vector<OutRecord> out = std::move(dead_);
  dead_.clear();
  for (uint32_t p = 0; p < tables_.size(); ++p) {
    if (tables_[p].empty()) continue;
    out.push_back({Stream::kSpans, p, RecordType::kSpanBatch, 0,
                   api::EncodeSpans(tables_[p], kNoPartition, 0)});
    handed_[p].taken = tables_[p].n();
    tables_[p].Clear();
    const api::StageLedger ledger{
        api::kOthersStage, p, {{"reported", handed_[p].sent + handed_[p].taken}}, {}};
    out.push_back({Stream::kState, p, RecordType::kStageLedger, api::OthersLedgerKey(name_, count_),
                   api::EncodeStageLedger(ledger)});
  }
  rows_ = 0;
  return out;
}

void OtlpIntake::Sent() {
  messages_.Add(counts_.messages);
  bad_messages_.Add(counts_.bad);
  spans_.Add(counts_.spans);
  invalid_spans_.Add(counts_.invalid);
  counts_ = {};
  for (Handed& handed : handed_) handed.sent += std::exchange(handed.taken, 0);
}

void OtlpIntake::Forget() {
  for (api::SpanTable& table : tables_) table.Clear();
  dead_.clear();
  rows_ = 0;
  counts_ = {};
  for (Handed& handed : handed_) handed.taken = 0;
}

void OtlpIntake::Doubt() {
  Forget();
  for (Handed& handed : handed_) handed.sent = 0;
  ++count_;
}

}  // namespace weft::otlp
