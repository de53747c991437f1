#include "engine/cli/top_figures.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>

#include "engine/telemetry/catalogue.h"

namespace weft::cli {
namespace {

using telemetry::MetricKind;
using telemetry::MetricSample;
using telemetry::MetricsReading;

// What an operator must hear of: each is data that is gone, or that was not seen.
constexpr std::string_view kLosses[] = {
    "kernel.ring_full",      "kernel.map_full",          "kernel.unreadable",
    "kernel.missed",         "kernel.control_ring_full", "agent.parse_failed",
    "agent.dropped",         "agent.batches_dropped",    "agent.connections_overflow",
    "protocols.overflow",    "recording.lost_records",   "kafka.publish_lost",
    "kafka.expired_records", "otlp.bad_messages",        "otlp.invalid_spans",
    "stitch.dead_records",   "stitch.sequence_gaps",     "stitch.too_many_links",
    "stitch.lost_at_stop",   "trace.bad_records",        "sink.dropped",
};

class Change {
 public:
  Change(const MetricsReading* before, const MetricsReading& now, double seconds)
      : before_(before), now_(now), seconds_(seconds) {}

  Figure Rate(std::string_view name, std::string_view key = {}, std::string_view text = {}) const {
    const Figure now = now_.Sum(name, key, text);
    if (before_ == nullptr || !now) return {};
    // A series that was not there before began at 0.
    const double grown = *now - before_->Sum(name, key, text).value_or(0);
    return grown < 0 ? Figure() : grown / seconds_;
  }

  // Of what was observed between the readings: linear inside the bucket, as histogram_quantile.
  Figure Quantile(double q, std::string_view name, std::string_view key,
                  std::string_view text) const {
    if (before_ == nullptr) return {};
    std::map<double, double> below;
    Count(now_, 1, name, key, text, &below);
    Count(*before_, -1, name, key, text, &below);
    if (below.empty() || !(below.rbegin()->second > 0)) return {};
    const double rank = q * below.rbegin()->second;
    double bound_before = 0, count_before = 0;
    for (const auto& [bound, count] : below) {
      if (count >= rank) {
        // More than the largest bound is all that is known of the last bucket.
        if (bound > std::numeric_limits<double>::max()) return bound_before;
        if (!(count > count_before)) return bound;
        return bound_before +
               (bound - bound_before) * (rank - count_before) / (count - count_before);
      }
      bound_before = bound;
      count_before = count;
    }
    return bound_before;
  }

  Figure Counter(std::string_view name) const {
    return Rate(telemetry::PrometheusName(name, MetricKind::kCounter));
  }

 private:
  static void Count(const MetricsReading& page, double sign, std::string_view name,
                    std::string_view key, std::string_view text, std::map<double, double>* below) {
    for (const MetricSample& sample : page.Find(name)) {
      if (sample.Label(key) != text) continue;
      std::string_view le = sample.Label("le");
      if (le.starts_with('+')) le.remove_prefix(1);
      double bound = 0;
      const auto [rest, error] = std::from_chars(le.data(), le.data() + le.size(), bound);
      if (error == std::errc() && rest == le.data() + le.size() && bound >= 0)
        (*below)[bound] += sign * sample.value;
    }
  }

  const MetricsReading* before_;
  const MetricsReading& now_;
  double seconds_;
};

std::set<std::string> LabelTexts(const MetricsReading& page, std::string_view key,
                                 std::initializer_list<std::string_view> names) {
  constexpr size_t kShown = 32;
  std::set<std::string> out;
  for (const std::string_view name : names)
    for (const MetricSample& sample : page.Find(name))
      if (out.size() < kShown && !sample.Label(key).empty()) out.emplace(sample.Label(key));
  return out;
}

void AddStages(const MetricsReading& now, const Change& change, TopFigures* out) {
  for (const std::string& name :
       LabelTexts(now, "stage", {"weft_stage_partitions", "weft_stage_lag_seconds"})) {
    StageFigures stage{name, {}, {}, {}, {}, {}, {}, {}, {}, {}};
    stage.partitions = now.Sum("weft_stage_partitions", "stage", name);
    stage.lag_s = now.Max("weft_stage_lag_seconds", "stage", name);
    stage.records_lag = now.Sum("weft_kafka_lag", "stage", name);
    stage.watermark_s = now.Max("weft_stage_watermark_lag_seconds", "stage", name);
    stage.spans = now.Sum("weft_stage_buffered_spans", "stage", name);
    stage.bytes = now.Sum("weft_stage_buffered_bytes", "stage", name);
    stage.read_bytes = change.Rate("weft_stage_read_bytes_total", "stage", name);
    stage.written_bytes = change.Rate("weft_stage_written_bytes_total", "stage", name);
    stage.commit_p99_s = change.Quantile(0.99, "weft_stage_commit_seconds_bucket", "stage", name);
    out->stages.push_back(std::move(stage));
  }
}

void AddSinks(const MetricsReading& now, const Change& change, TopFigures* out) {
  for (const std::string& name :
       LabelTexts(now, "sink", {"weft_sink_rows_total", "weft_sink_pending"})) {
    SinkFigures sink{name, {}, {}, {}, {}, {}, {}};
    sink.rows = change.Rate("weft_sink_rows_total", "sink", name);
    sink.retries = change.Rate("weft_sink_retries_total", "sink", name);
    sink.pending = now.Sum("weft_sink_pending", "sink", name);
    sink.queued_bytes = now.Sum("weft_sink_queued_bytes", "sink", name);
    sink.delay_p50_s = change.Quantile(0.5, "weft_sink_delay_seconds_bucket", "sink", name);
    sink.delay_p99_s = change.Quantile(0.99, "weft_sink_delay_seconds_bucket", "sink", name);
    out->sinks.push_back(std::move(sink));
  }
}

void AddLosses(const MetricsReading& now, const Change& change, TopFigures* out) {
  for (const std::string_view name : kLosses) {
    const double total = now.Sum(telemetry::PrometheusName(name, MetricKind::kCounter)).value_or(0);
    if (total > 0) out->losses.push_back({std::string(name), total, change.Counter(name)});
  }
}

}  // namespace

TopFigures ReadFigures(const MetricsReading* before, const MetricsReading& now, double seconds) {
  const Change change(before, now, seconds);
  TopFigures out;
  if (const auto info = now.Find("weft_build_info"); !info.empty()) {
    out.version = info[0].Label("version");
    out.command = info[0].Label("command");
  }
  out.start_unix_s = now.Max("process_start_time_seconds");
  out.cores = change.Rate("process_cpu_seconds_total");
  out.memory_bytes = now.Sum("process_resident_memory_bytes");

  out.kernel_seen = change.Counter("kernel.seen");
  out.kernel_submitted = change.Counter("kernel.submitted");
  out.records = change.Counter("agent.records");
  out.observed = change.Counter("agent.observed");
  out.published = change.Counter("agent.published");
  out.linked = change.Counter("stitch.emitted");
  out.roots = change.Counter("stitch.roots");
  out.unlinked = change.Counter("stitch.unlinked");
  out.reported = change.Counter("otlp.spans");
  out.trace_spans = change.Counter("trace.spans");
  out.closed = change.Counter("trace.closed");
  out.kept = change.Counter("trace.kept");
  out.sampled_out = change.Counter("trace.sampled_out");
  out.exported = change.Counter("trace.exported");

  out.queued = now.Sum("weft_agent_queued");
  out.in_flight_bytes = now.Sum("weft_kafka_publish_in_flight_bytes");
  out.open_windows = now.Sum("weft_stitch_open_windows");
  out.pending_links = now.Sum("weft_stitch_pending_links");
  out.open_traces = now.Sum("weft_trace_open");
  out.pending_spans = now.Sum("weft_trace_pending");
  AddStages(now, change, &out);
  AddSinks(now, change, &out);
  AddLosses(now, change, &out);
  return out;
}

}  // namespace weft::cli
