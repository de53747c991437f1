// Catalogue: what each metric of weft means, in one table.
//
// The exposition takes HELP and TYPE from it, engine/telemetry/README.md is printed from it, and
// tests hold it complete: a counter that is made anywhere in the sources has a line here. Names are
// those of engine/base/metrics.h; Prometheus names follow by rule (PrometheusName). Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft::telemetry {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };
std::string_view KindName(MetricKind kind);  // "counter"

struct MetricInfo {
  std::string_view name;  // without labels: "sink.rows"
  MetricKind kind = MetricKind::kCounter;
  std::string_view help;         // one sentence; what an operator reads
  std::string_view labels = {};  // "sink" or "stage,partition"; empty: none
};

std::span<const MetricInfo> Catalogue();
// Null where the name is not in it.
const MetricInfo* FindMetric(std::string_view name);

// "weft_" and the name with '_' for '.'; times in seconds; counters end in _total.
std::string PrometheusName(std::string_view name, MetricKind kind);

// What to multiply a value with: times are kept in ns or us and shown in seconds.
double UnitOf(std::string_view name);

// The whole table as Markdown.
std::string CatalogueMarkdown();

}  // namespace weft::telemetry
