// What a receiver of OTLP answers, and the addresses and headers of a configuration.
#include <cstddef>
#include <cstdint>

#include "engine/base/check.h"
#include "sinks/http/endpoint.h"
#include "sinks/http/http_post.h"
#include "sinks/otlp/otlp_answer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool json : {false, true}) {
    (void)weft::sinks::ReadResponse(bytes, json);
    const auto status = weft::sinks::ReadStatus(bytes, json);
    WEFT_CHECK(status.retry_delay_ns >= 0);
  }
  WEFT_CHECK(weft::sinks::RetryAfterNs(bytes, 0) >= 0);
  if (const auto endpoint = weft::sinks::Endpoint::Parse(bytes, 80)) {
    const auto again = weft::sinks::Endpoint::Parse(endpoint->Authority(), 1);
    WEFT_CHECK(again && again->host == endpoint->host && again->port == endpoint->port);
  }
  (void)weft::sinks::ParseHeaders(bytes);
  return 0;
}
