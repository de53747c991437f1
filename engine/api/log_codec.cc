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

// A list of value(row) of each row, which init(n) makes; one that is all 0 is left out.
template <typename T, typename Init, typename Value>
class RowColumn {
 public:
  RowColumn(Init init, Value value) : init_(init), value_(value) {}
  void Keep() { keep_ = true; }
  template <typename Row>
  void Look(const Row* rows, size_t n) {
    T any = 0;
    for (size_t i = 0; i < n; ++i) any |= value_(rows[i]);
    any_ |= any;
  }
  void Make(size_t n) {
    if (keep_ || any_ != 0) out_ = ListData<T>(init_(static_cast<unsigned>(n)), n);
  }
  template <typename Row>
  void Fill(const Row* rows, size_t n) {
    if (out_ == nullptr) return;
    for (size_t i = 0; i < n; ++i) out_[i] = value_(rows[i]);
    out_ += n;
  }

 private:
  Init init_;
  Value value_;
  bool keep_ = false;
  T any_ = 0;
  T* out_ = nullptr;
};
template <typename T, typename Init, typename Value>
RowColumn<T, Init, Value> ColumnOf(Init init, Value value) {
  return {init, value};
}

// Block by block, so that rows come from memory twice, and not twice for each column.
template <typename Row, typename... Columns>
void FillColumns(const std::vector<Row>& rows, Columns... columns) {
  constexpr size_t kBlock = 256;
  const auto blocks = [&](auto&& visit) {
    for (size_t at = 0; at < rows.size(); at += kBlock)
      visit(rows.data() + at, std::min(kBlock, rows.size() - at));
  };
  blocks([&](const Row* first, size_t n) { (columns.Look(first, n), ...); });
  (columns.Make(rows.size()), ...);
  blocks([&](const Row* first, size_t n) { (columns.Fill(first, n), ...); });
}

// The one column that is always there: it tells the number of rows.
template <typename Column>
Column Always(Column column) {
  column.Keep();
  return column;
}

uint32_t BitsOf(float x) { return std::bit_cast<uint32_t>(x); }

}  // namespace

#define WEFT_ROWS(type, expression, Name)                             \
  ColumnOf<type>([&](unsigned size) { return out.init##Name(size); }, \
                 [](const auto& r) { return static_cast<type>(expression); })

#define WEFT_SET(from, Name) \
  FillList(out.init##Name(static_cast<unsigned>((from).size())), (from).data(), (from).size())
#define WEFT_GET(Name, n, to)                \
  if (!CopyColumn(in.get##Name(), n, &(to))) \
  return Corrupt("column " #Name ": wrong length or type")

PayloadPtr EncodeLinks(const LinkBatch& head, const std::vector<LinkRow>& rows) {
  const size_t n = rows.size();
  const size_t words =
      Words(n) + 4 * Words(n * 8) + Words(n * 4) + Words(head.partition.size() * 4);
  return BuildBatch<wire::LinkBatch>(words, [&](auto out) {
    FillColumns(rows, Always(WEFT_ROWS(uint8_t, r.what, What)),
                WEFT_ROWS(uint64_t, r.wire_id, WireId), WEFT_ROWS(uint64_t, r.span_id, SpanId),
                WEFT_ROWS(uint64_t, r.trace_hi, TraceHi),
                WEFT_ROWS(uint64_t, r.trace_lo ^ RootTraceLow(r.trace_hi), TraceLo),
                WEFT_ROWS(uint32_t, r.flags, Flags));
    if (!head.partition.empty()) WEFT_SET(head.partition, Partition);
    out.setFromPartition(head.from_partition);
    out.setWatermarkNs(head.watermark_ns);
    out.setInputNs(head.input_ns);
    out.setSilentNs(head.silent_ns);
  });
}

PayloadPtr EncodeLinks(const LinkBatch& b) {
  std::vector<LinkRow> rows;
  for (size_t i = 0; i < b.size(); ++i)
    rows.push_back({b.wire_id[i], b.span_id[i], b.trace_hi[i], b.trace_lo[i], b.flags[i],
                    static_cast<LinkWhat>(b.what[i])});
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

PayloadPtr EncodeLabels(const std::vector<LabelRow>& rows,
                        const std::vector<DecidedWindow>& decided) {
  const size_t n = rows.size();
  const size_t words =
      Words(n) + 6 * Words(n * 8) + 3 * Words(n * 4) + 2 * Words(decided.size() * 8);
  return BuildBatch<wire::LabelBatch>(words, [&](auto out) {
    FillColumns(rows, Always(WEFT_ROWS(uint8_t, r.what, What)),
                WEFT_ROWS(uint64_t, r.exchange, Exchange), WEFT_ROWS(uint64_t, r.span_id, SpanId),
                WEFT_ROWS(uint64_t, r.parent_id, ParentId),
                WEFT_ROWS(uint64_t, r.parent_exchange, ParentExchange),
                WEFT_ROWS(uint64_t, r.trace_hi, TraceHi),
                WEFT_ROWS(uint64_t, r.trace_lo ^ RootTraceLow(r.trace_hi), TraceLo),
                WEFT_ROWS(uint32_t, BitsOf(r.confidence), Confidence),
                WEFT_ROWS(uint32_t, r.evidence, Evidence), WEFT_ROWS(uint32_t, r.flags, Flags));
    if (decided.empty()) return;
    const auto processes = static_cast<unsigned>(decided.size());
    auto* const process = ListData<uint64_t>(out.initProcessId(processes), decided.size());
    auto* const until = ListData<int64_t>(out.initDecidedNs(processes), decided.size());
    for (size_t i = 0; i < decided.size(); ++i) {
      process[i] = decided[i].first;
      until[i] = decided[i].second;
    }
  });
}

PayloadPtr EncodeLabels(const LabelBatch& b) {
  std::vector<LabelRow> rows;
  for (size_t i = 0; i < b.size(); ++i)
    rows.push_back({b.exchange[i], b.span_id[i], b.parent_id[i], b.parent_exchange[i],
                    b.trace_hi[i], b.trace_lo[i], b.confidence[i], b.evidence[i], b.flags[i],
                    b.what[i]});
  std::vector<DecidedWindow> decided;
  for (size_t i = 0; i < b.process_id.size(); ++i)
    decided.emplace_back(b.process_id[i], b.decided_ns[i]);
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

#undef WEFT_ROWS
#undef WEFT_SET
#undef WEFT_GET

}  // namespace weft::api
