// OtlpAnswer: what a receiver of OTLP says besides its status: ExportTraceServiceResponse, and
// google.rpc.Status of an error, in protobuf or JSON.
//
// Bytes come from outside: what cannot be read says nothing, because the status alone decides what
// happens. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::sinks {

struct OtlpAnswer {
  uint64_t rejected = 0;  // partialSuccess.rejectedSpans
  std::string message;    // partialSuccess.errorMessage, or the status's
  bool has_retry_info = false;
  int64_t retry_delay_ns = 0;  // of RetryInfo; at most an hour
};

OtlpAnswer ReadResponse(std::string_view bytes, bool json);
OtlpAnswer ReadStatus(std::string_view bytes, bool json);

}  // namespace weft::sinks
