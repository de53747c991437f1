// TopFigures: what `weft top` shows of one process, from one or two readings of its metrics page.
//
// Rates and percentiles need both readings; they are absent with one, and where the process does
// not have the part. A counter that went back (it never should) has no rate. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/telemetry/page_reader.h"

namespace weft::cli {

using Figure = std::optional<double>;

struct StageFigures {
  std::string name;
  Figure partitions, lag_s, records_lag, watermark_s, spans, bytes;
  Figure read_bytes, written_bytes;  // per second
  Figure commit_p99_s;
};

struct SinkFigures {
  std::string name;
  Figure rows, retries;  // per second
  Figure pending, queued_bytes, delay_p50_s, delay_p99_s;
};

// A counter of what was lost that is not 0.
struct LossFigures {
  std::string name;  // as in the ledger: "agent.dropped"
  double total = 0;
  Figure rate;
};

struct TopFigures {
  std::string version, command;
  Figure start_unix_s, cores, memory_bytes;
  // Per second.
  Figure kernel_seen, kernel_submitted, records, observed, published, linked, roots, unlinked;
  Figure reported, trace_spans, closed, kept, sampled_out, exported;
  // Now.
  Figure queued, in_flight_bytes, open_windows, pending_links, open_traces, pending_spans;
  std::vector<StageFigures> stages;
  std::vector<SinkFigures> sinks;
  std::vector<LossFigures> losses;
};

// `before` may be null. Requires: seconds > 0 where it is not.
TopFigures ReadFigures(const telemetry::MetricsReading* before,
                       const telemetry::MetricsReading& now, double seconds);

}  // namespace weft::cli
