// OTLP in, OTLP out: what the sink writes of any spans, and of text that pretends to be events and
// links, is protobuf that our own decoder takes, with as many spans.
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "engine/base/check.h"
#include "sinks/otlp/otlp_proto.h"
#include "sources/otlp/otlp_proto.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  weft::api::SpanTable table;
  weft::otlp::ProtoDecoder decoder;
  if (!decoder.Decode(bytes, &table)) return 0;
  const weft::api::SpanView view = table.View();
  weft::sinks::OtlpProto encoder;
  encoder.Begin(view.spans());
  std::vector<uint32_t> rows(table.n());
  std::iota(rows.begin(), rows.end(), 0);
  std::string written;
  encoder.Append(rows, &written);
  weft::api::SpanTable again;
  const auto decoded = decoder.Decode(written, &again);
  WEFT_CHECK(decoded.has_value());
  WEFT_CHECK(again.n() == table.n());
  return 0;
}
