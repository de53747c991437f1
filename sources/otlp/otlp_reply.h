// What a receiver of OTLP answers: ExportTraceServiceResponse, and google.rpc.Status of errors, in
// protobuf or JSON as the request was. Pure; any thread.
#pragma once

#include <string>

#include "sources/otlp/reception.h"

namespace weft::otlp {

// Of a request that was taken.
std::string EncodeResponse(const Reply& reply, bool json);
// `code`: of google.rpc.Code. With retry_after_seconds it carries a RetryInfo.
std::string EncodeStatus(int code, std::string_view message, bool json,
                         int64_t retry_after_seconds = 0);

}  // namespace weft::otlp
