// weft.links and the two decision logs.
#include "engine/api/codec_internal.h"
#include "engine/api/ids.h"
#include "engine/base/hash.h"

namespace weft::api {
namespace {

bool AllBelow(const std::vector<uint8_t>& v, uint8_t limit) {
  bool ok = true;
  for (uint8_t x : v) ok &= x < limit;
  return ok;
}

// A list that is all 0 is left out; init(n) makes it.
template <typename T, typename Init>
void FillColumn(Init init, const T* from, size_t n) {
  if (!AllZero(from, n * sizeof(T))) FillList(init(static_cast<unsigned>(n)), from, n);
}

// The lower halves of trace ids, of which most follow from the upper ones.
template <typename Init>
void FillTraceLows(Init init, const uint64_t* hi, const uint64_t* lo, size_t n) {
  uint64_t any = 0;
  for (size_t i = 0; i < n; ++i) any |= lo[i] ^ RootTraceLow(hi[i]);
  if (any == 0) return;
  auto* const out = ListData<uint64_t>(init(static_cast<unsigned>(n)), n);
  for (size_t i = 0; i < n; ++i) out[i] = lo[i] ^ RootTraceLow(hi[i]);
}

}  // namespace

#define WEFT_INIT(Name) [&](unsigned size) { return out.init##Name(size); }
#define WEFT_SET(from, Name) \
  FillList(out.init##Name(static_cast<unsigned>((from).size())), (from).data(), (from).size())
#define WEFT_GET(Name, n, to)                \
  if (!CopyColumn(in.get##Name(), n, &(to))) \
  return Corrupt("column " #Name ": wrong length or type")

PayloadPtr EncodeLinks(const LinkBatch& head, const LinkColumns& rows) {
  const size_t n = rows.size();
  const size_t words =
      Words(n) + 4 * Words(n * 8) + Words(n * 4) + Words(head.partition.size() * 4);
  return BuildBatch<wire::LinkBatch>(words, [&](auto out) {
    rows.Columns([&](auto* what, auto* wire_id, auto* span_id, auto* hi, auto* lo, auto* flags) {
      FillList(out.initWhat(static_cast<unsigned>(n)), what, n);
      FillColumn(WEFT_INIT(WireId), wire_id, n);
      FillColumn(WEFT_INIT(SpanId), span_id, n);
      FillColumn(WEFT_INIT(TraceHi), hi, n);
      FillTraceLows(WEFT_INIT(TraceLo), hi, lo, n);
      FillColumn(WEFT_INIT(Flags), flags, n);
    });
    if (!head.partition.empty()) WEFT_SET(head.partition, Partition);
    out.setFromPartition(head.from_partition);
    out.setWatermarkNs(head.watermark_ns);
    out.setInputNs(head.input_ns);
    out.setSilentNs(head.silent_ns);
  });
}

PayloadPtr EncodeLinks(const LinkBatch& b) {
  LinkColumns rows;
  for (size_t i = 0; i < b.size(); ++i)
    rows.Add(static_cast<LinkWhat>(b.what[i]), b.wire_id[i], b.span_id[i], b.trace_hi[i],
             b.trace_lo[i], b.flags[i]);
  return EncodeLinks(b, rows);
}

Result<void> DecodeLinks(const PayloadPtr& payload, LinkBatch* to) {
  const auto read = [&](wire::LinkBatch::Reader in) -> Result<bool> {
    LinkBatch& b = *to;
    const size_t n = in.getWhat().size();
    if (n > kMaxRowsPerRecord) return Corrupt("too many rows");
    WEFT_GET(What, n, b.what);
    if (!AllBelow(b.what, 3)) return Corrupt("what out of range");
    WEFT_GET(WireId, n, b.wire_id);
    WEFT_GET(SpanId, n, b.span_id);
    WEFT_GET(TraceHi, n, b.trace_hi);
    WEFT_GET(TraceLo, n, b.trace_lo);
    WEFT_GET(Partition, n, b.partition);
    WEFT_GET(Flags, n, b.flags);
    b.from_partition = in.getFromPartition();
    b.watermark_ns = in.getWatermarkNs();
    b.input_ns = in.getInputNs();
    b.silent_ns = std::max<int64_t>(in.getSilentNs(), 0);
    if (!in.hasPartition()) b.partition.assign(n, b.from_partition);
    for (size_t i = 0; i < n; ++i) b.trace_lo[i] ^= RootTraceLow(b.trace_hi[i]);
    return true;
  };
  const auto done = ReadMessage<wire::LinkBatch, bool>(*payload, "link batch", read);
  if (!done) return std::unexpected(done.error());
  return {};
}

Result<LinkBatch> DecodeLinks(const PayloadPtr& payload) {
  LinkBatch b;
  WEFT_TRY(DecodeLinks(payload, &b));
  return b;
}

PayloadPtr EncodeLabels(const LabelColumns& rows, const DecidedWindows& decided) {
  const size_t n = rows.size();
  const size_t words =
      Words(n) + 6 * Words(n * 8) + 3 * Words(n * 4) + 2 * Words(decided.size() * 8);
  return BuildBatch<wire::LabelBatch>(words, [&](auto out) {
    rows.Columns([&](auto* what, auto* exchange, auto* span_id, auto* parent_id,
                     auto* parent_exchange, auto* hi, auto* lo, auto* confidence, auto* evidence,
                     auto* flags) {
      FillList(out.initWhat(static_cast<unsigned>(n)), what, n);
      FillColumn(WEFT_INIT(Exchange), exchange, n);
      FillColumn(WEFT_INIT(SpanId), span_id, n);
      FillColumn(WEFT_INIT(ParentId), parent_id, n);
      FillColumn(WEFT_INIT(ParentExchange), parent_exchange, n);
      FillColumn(WEFT_INIT(TraceHi), hi, n);
      FillTraceLows(WEFT_INIT(TraceLo), hi, lo, n);
      FillColumn(WEFT_INIT(Confidence), confidence, n);
      FillColumn(WEFT_INIT(Evidence), evidence, n);
      FillColumn(WEFT_INIT(Flags), flags, n);
    });
    if (decided.empty()) return;
    decided.Columns([&](auto* process_id, auto* decided_ns) {
      const auto windows = static_cast<unsigned>(decided.size());
      FillList(out.initProcessId(windows), process_id, windows);
      FillList(out.initDecidedNs(windows), decided_ns, windows);
    });
  });
}

PayloadPtr EncodeLabels(const LabelBatch& b) {
  LabelColumns rows;
  for (size_t i = 0; i < b.size(); ++i)
    rows.Add(b.what[i], b.exchange[i], b.span_id[i], b.parent_id[i], b.parent_exchange[i],
             b.trace_hi[i], b.trace_lo[i], b.confidence[i], b.evidence[i], b.flags[i]);
  DecidedWindows decided;
  for (size_t i = 0; i < b.process_id.size(); ++i) decided.Add(b.process_id[i], b.decided_ns[i]);
  return EncodeLabels(rows, decided);
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
        for (size_t i = 0; i < n; ++i) b.trace_lo[i] ^= RootTraceLow(b.trace_hi[i]);
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

#undef WEFT_INIT
#undef WEFT_SET
#undef WEFT_GET

}  // namespace weft::api
