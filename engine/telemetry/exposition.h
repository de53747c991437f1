// Exposition: Metrics as a page that Prometheus reads.
//
// Made by the metrics server for each scrape. Two formats: the text format 0.0.4, which everything
// reads, and OpenMetrics 1.0 for whoever asks for it. HELP and TYPE come from the catalogue; a name
// that is not in it is shown as untyped. Free functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/metrics.h"

namespace weft::telemetry {

enum class PageFormat : unsigned char { kText, kOpenMetrics };

// By the Accept header of the request.
PageFormat ChooseFormat(std::string_view accept);
std::string_view ContentType(PageFormat format);

// Facts beside the metrics.
struct PageFacts {
  std::string_view version;  // of weft
  std::string_view command;  // "run", "agent", "engine"
};

// Every metric, and the usual ones about the process itself (process_cpu_seconds_total, ...).
std::string MetricsPage(const Metrics& metrics, PageFormat format, const PageFacts& facts);

}  // namespace weft::telemetry
