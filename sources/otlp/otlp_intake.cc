#include "sources/otlp/otlp_intake.h"

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

constexpr uint8_t kForeignStream = 255;  // of a DeadRecord: none of ours
// Each message begins with a look at those of the messages before it.
constexpr uint32_t kProcesses = 32;
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
  const uint32_t before = decoded_.n();
  ++counts_.messages;
  const auto decoded = Decode(message);
  if (!decoded) {
    ++counts_.bad;
    decoded_.DropRows(before);
    const uint32_t to = origin.partition % static_cast<uint32_t>(tables_.size());
    dead_.push_back({Stream::kDead, to, RecordType::kDeadRecord, 0,
                     api::EncodeDead({kForeignStream, origin.partition, origin.offset,
                                      decoded.error().message, std::string(message)})});
    return;
  }
  counts_.invalid += decoded->invalid;
  counts_.spans += decoded->spans;
  rows_ += decoded->spans;
  if (decoded_.processes.size() > kProcesses) Distribute();
}

// To the tables of their partitions.
void OtlpIntake::Distribute() {
  if (decoded_.empty()) return;
  const auto partitions = static_cast<uint32_t>(tables_.size());
  std::vector<std::vector<uint32_t>> rows(partitions);
  for (uint32_t row = 0; row < decoded_.n(); ++row) {
    const api::TraceId id{decoded_.trace_hi[row], decoded_.trace_lo[row]};
    rows[PartitionOf(api::TraceKey(id), partitions)].push_back(row);
  }
  const api::SpanView view = decoded_.View();
  for (uint32_t p = 0; p < partitions; ++p)
    if (const size_t n = rows[p].size(); n != 0)
      api::RowCopier(view.spans(), tables_[p], api::RepeatsFor(n)).Append(rows[p].data(), n);
  decoded_.Clear();
}

void OtlpIntake::Send(const api::SpanTable& spans, uint32_t partition,
                      std::vector<OutRecord>* out) {
  if (spans.empty()) return;
  out->push_back({Stream::kSpans, partition, RecordType::kSpanBatch, 0,
                  api::EncodeSpans(spans, kNoPartition, 0)});
  Handed& handed = handed_[partition];
  handed.taken = spans.n();
  const api::StageLedger ledger{
      api::kOthersStage, partition, {{"reported", handed.sent + handed.taken}}, {}};
  out->push_back({Stream::kState, partition, RecordType::kStageLedger,
                  api::OthersLedgerKey(name_, count_), api::EncodeStageLedger(ledger)});
}

std::vector<OutRecord> OtlpIntake::Take() {
  std::vector<OutRecord> out = std::move(dead_);
  dead_.clear();
  if (tables_.size() == 1 && tables_[0].empty()) {
    Send(decoded_, 0, &out);
    decoded_.Clear();
  }
  Distribute();
  for (uint32_t p = 0; p < tables_.size(); ++p) {
    Send(tables_[p], p, &out);
    tables_[p].Clear();
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
  decoded_.Clear();
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
