// TraceCounters: stage 2's part of the ledger. At rest, per partition and in sum:
//   trace.spans = trace.kept + trace.sampled_out + trace.pending + trace.replaced + trace.skipped
//                 + trace.handed_over
// These count ended spans, so that they reconcile with what was observed; what stage 1 shows of a
// span while it is open comes on top, in trace.announced.
// All partitions of a process add to the same counters; `pending` and `open` go up and down.
#pragma once

#include "engine/base/metrics.h"

namespace weft::trace {

struct TraceCounters {
  explicit TraceCounters(Metrics& m)
      : spans(m.Get("trace.spans")),
        announced(m.Get("trace.announced")),
        kept(m.Get("trace.kept")),
        sampled_out(m.Get("trace.sampled_out")),
        pending(m.Get("trace.pending")),
        replaced(m.Get("trace.replaced")),
        skipped(m.Get("trace.skipped")),
        handed_over(m.Get("trace.handed_over")),
        late(m.Get("trace.late")),
        closed(m.Get("trace.closed")),
        deadline(m.Get("trace.deadline")),
        open(m.Get("trace.open")),
        bad_records(m.Get("trace.bad_records")),
        bad_decisions(m.Get("trace.bad_decisions")) {}

  Counter& spans;        // rows read from weft.spans
  Counter& announced;    // rows of spans that had not ended
  Counter& kept;         // handed to the exporters
  Counter& sampled_out;  // dropped by a verdict
  Counter& pending;      // gauge: in traces that are not decided
  Counter& replaced;     // a duplicate of a span that was there already
  Counter& skipped;      // replayed, and known to be durable
  Counter& handed_over;  // were pending when the partition went to another owner, who reads again
  Counter& late;         // of kept and sampled_out: arrived after their trace was decided
  Counter& closed;       // traces
  Counter& deadline;     // of those: closed by a budget
  Counter& open;         // gauge: traces that are not decided
  Counter& bad_records;  // went to weft.dead
  Counter& bad_decisions;
};

// Gauges of several partitions share a counter: each adds and takes away its own share.
inline void Subtract(Counter& gauge, uint64_t n) { gauge.Add(0 - n); }

}  // namespace weft::trace
