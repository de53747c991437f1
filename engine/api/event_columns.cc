#include "engine/api/event_columns.h"

#include "engine/api/ids.h"

namespace weft::api {

uint64_t EventColumns::SpanIdOf(uint32_t row) const {
  if (span_id.present()) return span_id[row];
  const uint64_t wire = wire_id[row];
  const uint64_t k = kind[row];
  const bool server = k == WEFT_KIND_SERVER || k == WEFT_KIND_CONSUMER;
  return SpanId(wire != 0 ? wire : exchange[row], server ? Side::kServer : Side::kClient);
}

uint64_t EventColumns::TraceLoOf(uint32_t row) const {
  return trace_lo.present() ? trace_lo[row] : RootTraceLow(trace_hi[row]);
}

EventColumns ColumnsOf(const SpanTable& t) {
  EventColumns e;
  const auto whole = [](const auto& v) {
    return v.empty() ? PackedColumn() : PackedColumn(v.data(), sizeof v[0], 0);
  };
  e.n = t.n();
  e.ends_are_times = true;
#define WEFT_COLUMN(type, name, unused) e.name = whole(t.name);
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  e.option_id = whole(t.option_id);
  e.truth = whole(t.truth);
  e.attr_offset = whole(t.attr_offset);
  e.attr = whole(t.attr);
  e.token_offset = whole(t.token_offset);
  e.token = whole(t.token);
  e.candidate_offset = whole(t.candidate_offset);
  e.candidate_span_id = whole(t.candidate_span_id);
  e.candidate_log_odds = whole(t.candidate_log_odds);
  e.candidate_evidence = whole(t.candidate_evidence);
  e.pair_key = whole(t.pairs.key);
  e.pair_type = whole(t.pairs.type);
  e.pair_value = whole(t.pairs.value);
  e.n_pairs = t.pairs.size();
  e.string_offset = whole(t.strings.offsets());
  e.string_bytes = t.strings.bytes().data();
  e.n_strings = t.strings.size();
  e.truth_offset = whole(t.truth_strings.offsets());
  e.truth_bytes = t.truth_strings.bytes().data();
  e.n_truth = t.truth_strings.size();
  const ProcessTable& p = t.processes;
  e.processes = {
      sizeof(weft_processes), p.size(),     p.process_id.data(),  p.host.data(), p.service.data(),
      p.executable.data(),    p.pid.data(), p.attr_offset.data(), p.attr.data()};
  return e;
}

}  // namespace weft::api
