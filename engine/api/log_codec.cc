// weft.links and the two decision logs.
#include "engine/api/codec_internal.h"

namespace weft::api {
namespace {

bool AllBelow(const std::vector<uint8_t>& v, uint8_t limit) {
  bool ok = true;
  for (uint8_t x : v) ok &= x < limit;
  return ok;
}

}  // namespace

#define WEFT_SET(from, Name) \
  FillList(out.init##Name(static_cast<unsigned>((from).size())), (from).data(), (from).size())
#define WEFT_GET(Name, n, to)                \
  if (!CopyColumn(in.get##Name(), n, &(to))) \
  return Corrupt("column " #Name ": wrong length or type")

PayloadPtr EncodeLinks(const LinkBatch& b) {
  const size_t words = Words(b.size()) + 4 * Words(b.size() * 8) + 2 * Words(b.size() * 4);
  return BuildMessage<wire::LinkBatch>(words, [&](auto out) {
    WEFT_SET(b.what, What);
    WEFT_SET(b.wire_id, WireId);
    WEFT_SET(b.span_id, SpanId);
    WEFT_SET(b.trace_hi, TraceHi);
    WEFT_SET(b.trace_lo, TraceLo);
    WEFT_SET(b.partition, Partition);
    WEFT_SET(b.flags, Flags);
    out.setFromPartition(b.from_partition);
    out.setWatermarkNs(b.watermark_ns);
    out.setInputNs(b.input_ns);
  });
}

Result<LinkBatch> DecodeLinks(const PayloadPtr& payload) {
  return ReadMessage<wire::LinkBatch, LinkBatch>(*payload, "link batch",
                                                 [](auto in) -> Result<LinkBatch> {
                                                   LinkBatch b;
                                                   const size_t n = in.getWhat().size();
                                                   if (n > kMaxRowsPerRecord)
                                                     return Corrupt("too many rows");
                                                   WEFT_GET(What, n, b.what);
                                                   if (!AllBelow(b.what, 3))
                                                     return Corrupt("what out of range");
                                                   WEFT_GET(WireId, n, b.wire_id);
                                                   WEFT_GET(SpanId, n, b.span_id);
                                                   WEFT_GET(TraceHi, n, b.trace_hi);
                                                   WEFT_GET(TraceLo, n, b.trace_lo);
                                                   WEFT_GET(Partition, n, b.partition);
                                                   WEFT_GET(Flags, n, b.flags);
                                                   b.from_partition = in.getFromPartition();
                                                   b.watermark_ns = in.getWatermarkNs();
                                                   b.input_ns = in.getInputNs();
                                                   return b;
                                                 });
}

PayloadPtr EncodeLabels(const LabelBatch& b) {
  const size_t words = Words(b.size()) + 6 * Words(b.size() * 8) + 3 * Words(b.size() * 4) +
                       2 * Words(b.process_id.size() * 8);
  return BuildMessage<wire::LabelBatch>(words, [&](auto out) {
    WEFT_SET(b.what, What);
    WEFT_SET(b.exchange, Exchange);
    WEFT_SET(b.span_id, SpanId);
    WEFT_SET(b.parent_id, ParentId);
    WEFT_SET(b.parent_exchange, ParentExchange);
    WEFT_SET(b.trace_hi, TraceHi);
    WEFT_SET(b.trace_lo, TraceLo);
    WEFT_SET(b.confidence, Confidence);
    WEFT_SET(b.evidence, Evidence);
    WEFT_SET(b.flags, Flags);
    WEFT_SET(b.process_id, ProcessId);
    WEFT_SET(b.decided_ns, DecidedNs);
  });
}

Result<LabelBatch> DecodeLabels(const PayloadPtr& payload) {
  return ReadMessage<wire::LabelBatch, LabelBatch>(
      *payload, "label batch", [](auto in) -> Result<LabelBatch> {
        LabelBatch b;
        const size_t n = in.getWhat().size();
        const size_t processes = in.getProcessId().size();
        if (n > kMaxRowsPerRecord || processes > kMaxRowsPerRecord) return Corrupt("too many rows");
        WEFT_GET(What, n, b.what);
        if (!AllBelow(b.what, 32)) return Corrupt("what out of range");
        WEFT_GET(Exchange, n, b.exchange);
        WEFT_GET(SpanId, n, b.span_id);
        WEFT_GET(ParentId, n, b.parent_id);
        WEFT_GET(ParentExchange, n, b.parent_exchange);
        WEFT_GET(TraceHi, n, b.trace_hi);
        WEFT_GET(TraceLo, n, b.trace_lo);
        WEFT_GET(Confidence, n, b.confidence);
        WEFT_GET(Evidence, n, b.evidence);
        WEFT_GET(Flags, n, b.flags);
        WEFT_GET(ProcessId, processes, b.process_id);
        WEFT_GET(DecidedNs, processes, b.decided_ns);
        return b;
      });
}

PayloadPtr EncodeDecisions(const DecisionBatch& b) {
  const size_t words = Words(b.size()) + 4 * Words(b.size() * 8) + 3 * Words(b.size() * 4) +
                       DictionaryWords(b.rules);
  return BuildMessage<wire::DecisionBatch>(words, [&](auto out) {
    WEFT_SET(b.trace_hi, TraceHi);
    WEFT_SET(b.trace_lo, TraceLo);
    WEFT_SET(b.keep, Keep);
    WEFT_SET(b.weight, Weight);
    WEFT_SET(b.rule, Rule);
    WEFT_SET(b.flags, Flags);
    WEFT_SET(b.spans, Spans);
    WEFT_SET(b.done_offset, DoneOffset);
    FillDictionary(out.initStrings(), b.rules);
  });
}

Result<DecisionBatch> DecodeDecisions(const PayloadPtr& payload) {
  return ReadMessage<wire::DecisionBatch, DecisionBatch>(
      *payload, "decision batch", [](auto in) -> Result<DecisionBatch> {
        DecisionBatch b;
        const size_t n = in.getTraceHi().size();
        if (n > kMaxRowsPerRecord) return Corrupt("too many rows");
        WEFT_GET(TraceHi, n, b.trace_hi);
        WEFT_GET(TraceLo, n, b.trace_lo);
        WEFT_GET(Keep, n, b.keep);
        WEFT_GET(Weight, n, b.weight);
        WEFT_GET(Rule, n, b.rule);
        WEFT_GET(Flags, n, b.flags);
        WEFT_GET(Spans, n, b.spans);
        WEFT_GET(DoneOffset, n, b.done_offset);
        std::vector<weft_str> rules;
        WEFT_TRY(ReadDictionary(in.getStrings(), &rules));
        for (uint32_t& rule : b.rule) {
          if (rule >= rules.size()) return Corrupt("rule out of range");
          rule = b.rules.Intern(View(rules[rule]));
        }
        if (!AllBelow(b.keep, 2)) return Corrupt("keep out of range");
        return b;
      });
}

#undef WEFT_SET
#undef WEFT_GET

}  // namespace weft::api
