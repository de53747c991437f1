#include "sinks/memory/memory_sink.h"

namespace weft::sinks {

weft_outcome MemorySink::Write(const weft_spans& spans, const weft_traces& traces,
                               const weft_source& source) {
  if (answer_ != WEFT_EXPORT_OK) return answer_;
  api::RowCopier copier(spans, spans_);
  for (uint32_t t = 0; t < traces.n; ++t) {
    traces_.push_back({traces.trace_hi[t], traces.trace_lo[t], spans_.n(), traces.n_rows[t],
                       traces.weight ? traces.weight[t] : 1.0});
    for (uint32_t i = 0; i < traces.n_rows[t]; ++i) copier.Copy(traces.first_row[t] + i);
  }
  sources_.push_back(source);
  return WEFT_EXPORT_OK;
}

void MemorySink::Clear() {
  spans_.Clear();
  traces_.clear();
  sources_.clear();
}

}  // namespace weft::sinks
