// Where the time of one trace went: self time and critical path, as the views self_time and
// critical_path define them (sql/views/0007_critical_path.sql); a test compares both.
//
// For what draws a trace. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "sql/trace_reader.h"

namespace weft::sql {

struct SpanTimes {
  int64_t self_ns = 0;  // without the parts in which a span below was under way
  int64_t path_ns = 0;  // its part of the critical path; they sum to the root's duration
  bool on_path = false;
  bool orphan = false;  // its parent is not among the spans
  bool has_below = false;
};

// One per span, in their order. Open spans have no times.
std::vector<SpanTimes> TimesOf(const std::vector<StoredSpan>& spans);

// The failed spans that no failed span below them explains, the one that ended first first.
std::vector<size_t> ErrorCauses(const std::vector<StoredSpan>& spans);

}  // namespace weft::sql
