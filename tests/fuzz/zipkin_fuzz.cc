// Zipkin's JSON from a port: whatever the bytes, what comes out can be encoded, sent and read
// again.
#include "sources/zipkin/zipkin_decoder.h"
#include "tests/fuzz/decoded_spans.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::DecodeAndSend<weft::zipkin::ZipkinDecoder>(data, size);
  return 0;
}
