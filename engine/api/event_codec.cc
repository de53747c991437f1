// weft.events, weft.spans, weft.state and weft.dead.
#include "engine/api/codec_internal.h"

namespace weft::api {
namespace {

size_t TextWords(std::string_view s) { return Words(s.size() + 1); }

}  // namespace

PayloadPtr EncodeEvents(const EventHeader& h, const SpanTable& spans) {
  size_t words = SpanColumnsWords(spans) + TextWords(h.host_id) + TextWords(h.host_name);
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
    auto addresses = out.initAddresses(static_cast<unsigned>(h.addresses.size()));
    for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, TextOf(h.addresses[i]));
    FillSpanColumns(out.initSpans(), spans);
    auto ledger = out.initLedger(static_cast<unsigned>(h.ledger.size()));
    for (unsigned i = 0; i < ledger.size(); ++i) {
      ledger[i].setName(TextOf(h.ledger[i].first));
      ledger[i].setValue(h.ledger[i].second);
    }
  });
}

Result<EventBatch> DecodeEvents(PayloadPtr payload) {
  const auto read = [&](wire::EventBatch::Reader in) -> Result<EventBatch> {
    EventBatch batch;
    EventHeader& h = batch.header;
    h.host_id = Copy(in.getHostId());
    h.host_name = Copy(in.getHostName());
    h.agent_id = in.getAgentId();
    h.boot_id = in.getBootId();
    h.sequence = in.getSequence();
    h.now_ns = in.getNowNs();
    h.watermark_ns = in.getWatermarkNs();
    h.unix_offset_ns = in.getUnixOffsetNs();
    h.last = in.getLast();
    for (auto a : in.getAddresses()) h.addresses.push_back(Copy(a));
    for (auto c : in.getLedger()) h.ledger.emplace_back(Copy(c.getName()), c.getValue());
    WEFT_TRY(ReadSpanColumns(in.getSpans(), &batch.spans));
    batch.payload = payload;
    return batch;
  };
  return ReadMessage<wire::EventBatch, EventBatch>(*payload, "event batch", read);
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

PayloadPtr EncodeSpans(const SpanTable& spans, uint32_t from_partition, int64_t watermark_ns) {
  return BuildMessage<wire::SpanBatch>(SpanColumnsWords(spans), [&](auto out) {
    FillSpanColumns(out.initSpans(), spans);
    out.setFromPartition(from_partition);
    out.setWatermarkNs(watermark_ns);
  });
}

Result<SpanBatch> DecodeSpans(PayloadPtr payload) {
  return ReadMessage<wire::SpanBatch, SpanBatch>(
      *payload, "span batch", [&](auto in) -> Result<SpanBatch> {
        SpanBatch batch;
        WEFT_TRY(ReadSpanColumns(in.getSpans(), &batch.spans));
        batch.from_partition = in.getFromPartition();
        batch.watermark_ns = in.getWatermarkNs();
        batch.payload = payload;
        return batch;
      });
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

PayloadPtr EncodeDead(const DeadRecord& d) {
  const size_t words = TextWords(d.reason) + Words(d.record.size());
  return BuildMessage<wire::DeadRecord>(words, [&](auto out) {
    out.setStream(d.stream);
    out.setPartition(d.partition);
    out.setOffset(d.offset);
    out.setReason(TextOf(d.reason));
    out.setRecord(Bytes(d.record));
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
