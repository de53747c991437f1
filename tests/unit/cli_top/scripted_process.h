// ScriptedProcess: an engine as `weft top` sees it, whose counters a test moves.
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "engine/cli/top_endpoint.h"

namespace weft::cli {

struct ScriptedProcess {
  bool answers = true, slow = true;
  int status = 200;
  int64_t start_s = 1'700'000'000;
  uint64_t spans = 0, slow_spans = 0, lost = 0;
  std::string page, waits_for;  // "": an engine's page, ready

  void Grow(uint64_t n) {
    spans += n;
    if (slow) slow_spans += n;
  }

  // Lent: the process outlives it.
  TopEndpoint Endpoint() {
    return TopEndpoint("127.0.0.1:9338", [this](std::string_view path) { return Answer(path); });
  }

  Result<telemetry::HttpResponse> Answer(std::string_view path) const {
    if (!answers) return Fail(Code::kIo, "127.0.0.1:9338: Connection refused");
    if (path == "/readyz")
      return telemetry::HttpResponse{waits_for.empty() ? 200 : 503, "text/plain", waits_for};
    return telemetry::HttpResponse{status, "text/plain", page.empty() ? EnginePage() : page};
  }

  std::string EnginePage() const {
    std::string out = fmt::format(
        "weft_build_info{{version=\"1.2.3\",command=\"run\"}} 1\n"
        "process_start_time_seconds {}\n"
        "process_cpu_seconds_total {}\n"
        "process_resident_memory_bytes 84000000\n",
        start_s, static_cast<double>(spans) * 0.00031);
    for (const char* name :
         {"weft_kernel_seen_total", "weft_kernel_submitted_total", "weft_agent_records_total",
          "weft_agent_observed_total", "weft_agent_published_total", "weft_stitch_emitted_total",
          "weft_trace_spans_total", "weft_trace_kept_total", "weft_trace_exported_total",
          "weft_sink_rows_total{sink=\"sqlite\"}"})
      out += fmt::format("{} {}\n", name, spans);
    out += fmt::format(
        "weft_agent_queued 0\n"
        "weft_agent_dropped_total {}\n"
        "weft_kernel_ring_full_total 5\n"
        "weft_stitch_open_windows{{partition=\"0\"}} 3\n"
        "weft_stitch_pending_links{{partition=\"0\"}} 40\n"
        "weft_trace_open 12\n"
        "weft_trace_pending 120\n"
        "weft_sink_pending{{sink=\"sqlite\"}} 64\n"
        "weft_sink_queued_bytes{{sink=\"sqlite\"}} 20480\n"
        "weft_sink_delay_seconds_bucket{{sink=\"sqlite\",le=\"0.1\"}} {}\n"
        "weft_sink_delay_seconds_bucket{{sink=\"sqlite\",le=\"2.5\"}} {}\n"
        "weft_sink_delay_seconds_bucket{{sink=\"sqlite\",le=\"+Inf\"}} {}\n",
        lost, spans - slow_spans, spans, spans);
    for (const char* stage : {"stitch", "trace"})
      out += fmt::format(
          "weft_stage_partitions{{stage=\"{0}\"}} 2\n"
          "weft_stage_lag_seconds{{stage=\"{0}\",partition=\"0\"}} 0\n"
          "weft_stage_lag_seconds{{stage=\"{0}\",partition=\"1\"}} 0.25\n"
          "weft_stage_watermark_lag_seconds{{stage=\"{0}\",partition=\"0\"}} 1.5\n"
          "weft_stage_buffered_spans{{stage=\"{0}\",partition=\"0\"}} 800\n"
          "weft_stage_buffered_bytes{{stage=\"{0}\",partition=\"0\"}} 160000\n"
          "weft_stage_read_bytes_total{{stage=\"{0}\"}} {1}\n",
          stage, spans * 100);
    return out;
  }
};

}  // namespace weft::cli
