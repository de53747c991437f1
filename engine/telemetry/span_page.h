// WriteSpanSeries: SpanSeries under the names and labels of Tempo's metrics generator, which
// Grafana's service graph and its views of a service read. One thread.
#pragma once

#include "engine/base/span_series.h"
#include "engine/telemetry/page_writer.h"

namespace weft::telemetry {

void WriteSpanSeries(const SpanSeries& series, PageWriter* page);

}  // namespace weft::telemetry
