// weft.events, weft.spans, weft.state and weft.dead.
#include <fmt/format.h>

#include "engine/api/codec_internal.h"
#include "engine/api/event_copier.h"

namespace weft::api {
namespace {

size_t TextWords(std::string_view s) { return Words(s.size() + 1); }

EventHeader HeaderOf(wire::EventBatch::Reader in) {
  EventHeader h;
  h.host_id = Copy(in.getHostId());
  h.host_name = Copy(in.getHostName());
  h.agent_id = in.getAgentId();
  h.boot_id = in.getBootId();
  h.sequence = in.getSequence();
  h.now_ns = in.getNowNs();
  h.watermark_ns = in.getWatermarkNs();
  h.unix_offset_ns = in.getUnixOffsetNs();
  h.last = in.getLast();
  h.observed_before = in.getObservedBefore();
  for (auto a : in.getAddresses()) h.addresses.push_back(Copy(a));
  for (auto c : in.getLedger()) h.ledger.emplace_back(Copy(c.getName()), c.getValue());
  return h;
}

Result<void> Unpack(wire::SpanColumns::Reader in, SpanTable* out) {
  SpanView view;
  WEFT_TRY(ReadSpanColumns(in, &view));
  RowCopier copier(view, *out);
  for (uint32_t row = 0; row < view.spans().n; ++row) copier.Copy(row);
  return {};
}

void CopyRows(const EventColumns& from, SpanTable& to) {
  EventCopier copier;
  copier.Begin(from, to);
  copier.CopyAll();
}

}  // namespace

PayloadPtr EncodeEvents(const EventHeader& h, const SpanTable& spans) {
  const EventPlan plan = PlanEventColumns(spans);
  size_t words = plan.words + TextWords(h.host_id) + TextWords(h.host_name);
  for (const auto& a : h.addresses) words += 1 + TextWords(a);
  for (const auto& [name, value] : h.ledger) words += 2 + TextWords(name);
  return BuildMessage<wire::EventBatch>(words, [&](wire::EventBatch::Builder out) {
    out.setHostId(TextOf(h.host_id));
    out.setHostName(TextOf(h.host_name));
    out.setAgentId(h.agent_id);
    out.setBootId(h.boot_id);
    out.setSequence(h.sequence);
    out.setNowNs(h.now_ns);
    out.setWatermarkNs(h.watermark_ns);
    out.setUnixOffsetNs(h.unix_offset_ns);
    out.setLast(h.last);
    out.setObservedBefore(h.observed_before);
    auto addresses = out.initAddresses(static_cast<unsigned>(h.addresses.size()));
    for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, TextOf(h.addresses[i]));
    FillEventColumns(out.initColumns(), spans, plan);
    auto ledger = out.initLedger(static_cast<unsigned>(h.ledger.size()));
    for (unsigned i = 0; i < ledger.size(); ++i) {
      ledger[i].setName(TextOf(h.ledger[i].first));
      ledger[i].setValue(h.ledger[i].second);
    }
  });
}

Result<EventRecord> DecodeEventColumns(PayloadPtr payload) {
  SpanTable unpacked;
  bool old = false;
  const auto read = [&](wire::EventBatch::Reader in) -> Result<EventRecord> {
    EventRecord record;
    record.header = HeaderOf(in);
    old = !in.hasColumns() && in.hasSpans();
    if (old) {
      WEFT_TRY(Unpack(in.getSpans(), &unpacked));
    } else {
      WEFT_TRY(ReadEventColumns(in.getColumns(), &record.columns));
    }
    return record;
  };
  auto record = ReadMessage<wire::EventBatch, EventRecord>(*payload, "event batch", read);
  if (record && old) return DecodeEventColumns(EncodeEvents(record->header, unpacked));
  if (record) record->payload = std::move(payload);
  return record;
}

Result<EventBatch> DecodeEvents(PayloadPtr payload) {
  auto record = DecodeEventColumns(std::move(payload));
  if (!record) return std::unexpected(std::move(record.error()));
  EventBatch batch{std::move(record->header), std::make_unique<SpanTable>(), {}};
  CopyRows(record->columns, *batch.table);
  batch.spans = batch.table->View();
  return batch;
}

PayloadPtr EncodeAgentLost(const AgentLost& lost) {
  return BuildMessage<wire::AgentLost>(TextWords(lost.host_id), [&](auto out) {
    out.setAgentId(lost.agent_id);
    out.setHostId(TextOf(lost.host_id));
    out.setLastWatermarkNs(lost.last_watermark_ns);
  });
}

Result<AgentLost> DecodeAgentLost(const PayloadPtr& payload) {
  return ReadMessage<wire::AgentLost, AgentLost>(
      *payload, "agent_lost", [](auto in) -> Result<AgentLost> {
        return AgentLost{in.getAgentId(), Copy(in.getHostId()), in.getLastWatermarkNs()};
      });
}

PayloadPtr EncodeSpans(const SpanTable& spans, uint32_t from_partition, int64_t watermark_ns,
                       int64_t input_ns) {
  const EventPlan plan = spans.empty() ? EventPlan{} : PlanEventColumns(spans);
  return BuildBatch<wire::SpanBatch>(plan.words, [&](wire::SpanBatch::Builder out) {
    if (!spans.empty()) FillEventColumns(Fresh(out.initColumns()), spans, plan);
    out.setFromPartition(from_partition);
    out.setWatermarkNs(watermark_ns);
    out.setInputNs(input_ns);
  });
}

Result<SpanRecord> DecodeSpanColumns(PayloadPtr payload) {
  SpanTable unpacked;
  const auto read = [&](wire::SpanBatch::Reader in) -> Result<SpanRecord> {
    SpanRecord record;
    record.from_partition = in.getFromPartition();
    record.watermark_ns = in.getWatermarkNs();
    record.input_ns = in.getInputNs();
    if (in.hasColumns()) {
      WEFT_TRY(ReadEventColumns(in.getColumns(), &record.columns));
    } else if (in.hasSpans()) {
      WEFT_TRY(Unpack(in.getSpans(), &unpacked));
    }
    return record;
  };
  auto record = ReadMessage<wire::SpanBatch, SpanRecord>(*payload, "span batch", read);
  if (record && !unpacked.empty())
    return DecodeSpanColumns(
        EncodeSpans(unpacked, record->from_partition, record->watermark_ns, record->input_ns));
  if (record) record->payload = std::move(payload);
  return record;
}

Result<SpanBatch> DecodeSpans(PayloadPtr payload) {
  auto record = DecodeSpanColumns(std::move(payload));
  if (!record) return std::unexpected(std::move(record.error()));
  SpanBatch batch;
  static_cast<SpanHeader&>(batch) = *record;
  batch.table = std::make_unique<SpanTable>();
  CopyRows(record->columns, *batch.table);
  batch.spans = batch.table->View();
  return batch;
}

PayloadPtr EncodeState(const CorrelatorState& s) {
  const size_t words = TextWords(s.correlator) + Words(s.state.size());
  return BuildMessage<wire::CorrelatorState>(words, [&](auto out) {
    out.setProcessId(s.process_id);
    out.setCorrelator(TextOf(s.correlator));
    out.setDecidedNs(s.decided_ns);
    out.setState(Bytes(s.state));
  });
}

Result<CorrelatorState> DecodeState(const PayloadPtr& payload) {
  return ReadMessage<wire::CorrelatorState, CorrelatorState>(
      *payload, "correlator state", [](auto in) -> Result<CorrelatorState> {
        return CorrelatorState{in.getProcessId(), Copy(in.getCorrelator()), in.getDecidedNs(),
                               std::string(Chars(in.getState()))};
      });
}

PayloadPtr EncodeDead(const DeadView& d) {
  const std::string_view kept = d.record.substr(0, kMaxDeadBytes);
  const std::string reason =
      kept.size() == d.record.size()
          ? std::string(d.reason)
          : fmt::format("{} (the first {} of {} bytes)", d.reason, kept.size(), d.record.size());
  const size_t words = TextWords(reason) + Words(kept.size());
  return BuildMessage<wire::DeadRecord>(words, [&](auto out) {
    out.setStream(d.stream);
    out.setPartition(d.partition);
    out.setOffset(d.offset);
    out.setReason(TextOf(reason));
    out.setRecord(Bytes(kept));
  });
}

Result<DeadRecord> DecodeDead(const PayloadPtr& payload) {
  return ReadMessage<wire::DeadRecord, DeadRecord>(
      *payload, "dead record", [](auto in) -> Result<DeadRecord> {
        return DeadRecord{in.getStream(), in.getPartition(), in.getOffset(), Copy(in.getReason()),
                          std::string(Chars(in.getRecord()))};
      });
}

}  // namespace weft::api
