// MemorySink: keeps what an exporter was given, for tests and `weft replay` without a store.
//
// Copies the rows; truth included. Everything is accepted unless Answer says otherwise. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/span_table.h"

namespace weft::sinks {

struct KeptTrace {
  uint64_t hi = 0, lo = 0;
  uint32_t first_row = 0, n_rows = 0;
  double weight = 1;
};

class MemorySink {
 public:
  weft_outcome Write(const weft_spans& spans, const weft_traces& traces, const weft_source& source);

  // What the next calls answer; nothing is kept unless it is OK.
  void Answer(weft_outcome outcome) { answer_ = outcome; }
  void Clear();

  const api::SpanTable& spans() const { return spans_; }
  const std::vector<KeptTrace>& traces() const { return traces_; }
  const std::vector<weft_source>& sources() const { return sources_; }

 private:
  weft_outcome answer_ = WEFT_EXPORT_OK;
  api::SpanTable spans_;
  std::vector<KeptTrace> traces_;
  std::vector<weft_source> sources_;
};

}  // namespace weft::sinks
