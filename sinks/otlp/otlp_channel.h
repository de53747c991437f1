// OtlpChannel: takes an encoded ExportTraceServiceRequest to a receiver, once. One thread, which
// waits for the answer. Never tries again by itself: the engine does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.h"
#include "sinks/http/delivery.h"
#include "sinks/http/http_post.h"

namespace weft::sinks {

struct OtlpChannelOptions : HttpPostOptions {
  bool json = false;  // HTTP only
};

class OtlpChannel {
 public:
  virtual ~OtlpChannel() = default;
  virtual Delivery Send(std::string_view request) = 0;
};

// POST to the endpoint's path, by default /v1/traces.
Result<std::unique_ptr<OtlpChannel>> OpenOtlpHttp(OtlpChannelOptions options);
// opentelemetry.proto.collector.trace.v1.TraceService/Export (library weft_sink_otlp_grpc).
Result<std::unique_ptr<OtlpChannel>> OpenOtlpGrpc(OtlpChannelOptions options);

}  // namespace weft::sinks
