// MetricsServer: /metrics, /healthz and /readyz of a long-running weft process.
//
// Made by a command once its signals are blocked, before its pipeline, so that a slow start can be
// watched. What it names must outlive it.
#pragma once

#include <memory>
#include <string>

#include "engine/base/metrics.h"
#include "engine/base/result.h"
#include "engine/telemetry/exposition.h"
#include "engine/telemetry/health.h"
#include "engine/telemetry/http_server.h"

namespace weft::telemetry {

// Null where `listen` is empty.
Result<std::unique_ptr<HttpServer>> StartMetricsServer(const std::string& listen,
                                                       const PageFacts& facts,
                                                       const Metrics& metrics,
                                                       const Health& health);

}  // namespace weft::telemetry
