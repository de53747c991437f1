#include "engine/trace/export_batch.h"

#include <algorithm>

namespace weft::trace {

void TraceRows::AddTrace(uint64_t hi, uint64_t lo, uint32_t row) {
  trace_hi.push_back(hi);
  trace_lo.push_back(lo);
  first_row.push_back(row);
  n_rows.push_back(0);
  root_row.push_back(WEFT_NONE);
  start_ns.push_back(INT64_MAX);
  end_ns.push_back(0);
  n_errors.push_back(0);
  flags.push_back(0);
}

void TraceRows::AddSpan(const api::SpanTable& spans, uint32_t row, bool is_root) {
  ++n_rows.back();
  if (is_root && root_row.back() == WEFT_NONE) root_row.back() = row;
  start_ns.back() = std::min(start_ns.back(), spans.start_ns[row]);
  end_ns.back() = std::max({end_ns.back(), spans.start_ns[row], spans.end_ns[row]});
  if (spans.status[row] == WEFT_STATUS_ERROR) ++n_errors.back();
  flags.back() |= spans.flags[row];
}

void TraceRows::Clear() {
  for (auto* column : {&trace_hi, &trace_lo}) column->clear();
  for (auto* column : {&first_row, &n_rows, &root_row, &n_errors, &flags, &rule}) column->clear();
  for (auto* column : {&start_ns, &end_ns}) column->clear();
  weight.clear();
}

void ExportBatch::Clear() {
  view = {};
  spans.Clear();
  seen_too.clear();
  traces.Clear();
  ended = 0;
  bytes = 0;
}

weft_traces TraceRows::View() const {
  weft_traces view{};
  view.struct_size = sizeof(view);
  view.n = n();
  view.trace_hi = trace_hi.data();
  view.trace_lo = trace_lo.data();
  view.first_row = first_row.data();
  view.n_rows = n_rows.data();
  view.root_row = root_row.data();
  view.start_ns = start_ns.data();
  view.end_ns = end_ns.data();
  view.n_errors = n_errors.data();
  view.flags = flags.data();
  view.weight = weight.empty() ? nullptr : weight.data();
  view.rule = rule.empty() ? nullptr : rule.data();
  return view;
}

}  // namespace weft::trace
