// Zipkin's JSON from a port: whatever the bytes, what comes out can be encoded, sent and read
// again.
#include <cstddef>
#include <cstdint>

#include "engine/api/codec.h"
#include "engine/base/check.h"
#include "sources/zipkin/zipkin_decoder.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::api::SpanTable table;
  static weft::zipkin::ZipkinDecoder decoder;  // keeps its buffers, as in production
  const auto decoded = decoder.Decode({reinterpret_cast<const char*>(data), size}, &table);
  if (decoded) WEFT_CHECK(decoded->spans == table.n());
  const auto again = weft::api::DecodeSpans(weft::api::EncodeSpans(table, UINT32_MAX, 0));
  WEFT_CHECK(again.has_value());
  WEFT_CHECK(again->spans.spans().n == table.n());
  return 0;
}
