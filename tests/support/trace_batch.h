// TraceBatch: a batch as exporters get it, built by hand: spans, traces and source.
//
// Begin a trace, add its spans, then View() and Traces(). Columns of the newest span are set on
// `table` directly. Single thread; views are valid until the batch changes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/api/span_table.h"

namespace weft::test {

class TraceBatch {
 public:
  void BeginTrace(uint64_t hi, uint64_t lo) {
    trace_hi.push_back(hi);
    trace_lo.push_back(lo);
    first_row.push_back(table.n());
    n_rows.push_back(0);
    root_row.push_back(WEFT_NONE);
    start_ns.push_back(INT64_MAX);
    end_ns.push_back(INT64_MIN);
    n_errors.push_back(0);
    flags.push_back(0);
    weight.push_back(1.0);
    rule.push_back(0);
  }

  // Returns the row. end 0: open.
  uint32_t AddSpan(uint64_t span_id, uint64_t parent_id, weft_kind kind, std::string_view service,
                   std::string_view operation, int64_t start, int64_t end,
                   weft_status status = WEFT_STATUS_UNSET, uint32_t span_flags = 0) {
    const uint32_t row = table.AddRow();
    table.trace_hi[row] = trace_hi.back();
    table.trace_lo[row] = trace_lo.back();
    table.span_id[row] = span_id;
    table.parent_id[row] = parent_id;
    table.exchange[row] = span_id;
    table.kind[row] = static_cast<uint8_t>(kind);
    table.status[row] = static_cast<uint8_t>(status);
    table.service[row] = table.Intern(service);
    table.operation[row] = table.Intern(operation);
    table.process[row] = Process(service);
    table.start_ns[row] = start;
    table.end_ns[row] = end;
    if (end == 0) span_flags |= WEFT_FLAG_OPEN;
    table.flags[row] = span_flags;
    ++n_rows.back();
    if (parent_id == 0) root_row.back() = row;
    start_ns.back() = std::min(start_ns.back(), start);
    end_ns.back() = std::max({end_ns.back(), start, end});
    n_errors.back() += status == WEFT_STATUS_ERROR;
    flags.back() |= span_flags;
    return row;
  }

  // The process of a service: one each.
  uint32_t Process(std::string_view service) {
    const uint32_t name = table.Intern(service);
    for (uint32_t i = 0; i < table.processes.size(); ++i)
      if (table.processes.service[i] == name) return i;
    return table.AddProcess(1000 + table.processes.size(), "node-1", service, "/usr/bin/program",
                            100 + table.processes.size());
  }

  weft_traces Traces() const {
    weft_traces t{};
    t.struct_size = sizeof t;
    t.n = static_cast<uint32_t>(trace_hi.size());
    t.trace_hi = trace_hi.data();
    t.trace_lo = trace_lo.data();
    t.first_row = first_row.data();
    t.n_rows = n_rows.data();
    t.root_row = root_row.data();
    t.start_ns = start_ns.data();
    t.end_ns = end_ns.data();
    t.n_errors = n_errors.data();
    t.flags = flags.data();
    t.weight = weight.data();
    t.rule = rule.data();
    return t;
  }

  static weft_source Source(uint64_t batch, uint64_t generation = 1, uint32_t partition = 0) {
    return {sizeof(weft_source), partition, generation, batch * 10, batch};
  }

  api::SpanTable table;
  std::vector<uint64_t> trace_hi, trace_lo;
  std::vector<uint32_t> first_row, n_rows, root_row, n_errors, flags, rule;
  std::vector<int64_t> start_ns, end_ns;
  std::vector<double> weight;
};

}  // namespace weft::test
