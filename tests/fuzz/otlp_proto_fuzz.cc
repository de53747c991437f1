// OTLP protobuf from a topic: whatever the bytes, what comes out can be encoded, sent and read
// again.
#include "sources/otlp/otlp_proto.h"
#include "tests/fuzz/decoded_spans.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::DecodeAndSend<weft::otlp::ProtoDecoder>(data, size);
  return 0;
}
