// OTLP in protobuf: an ExportTraceServiceRequest or TracesData (they are the same bytes), as a
// Collector's Kafka exporter writes with encoding otlp_proto, appended to a SpanTable.
//
// The field numbers are those of opentelemetry-proto 1.x, trace/v1/trace.proto and
// common/v1/common.proto. Bytes come from outside: whatever is wrong with them is kCorrupt, and
// what was decoded before stays in the table. Keeps its buffers between calls; one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/api/span_table.h"
#include "engine/base/result.h"

namespace weft::otlp {

// Deeper lists and maps in an attribute are cut off there.
inline constexpr int kMaxDepth = 16;

struct Decoded {
  uint64_t spans = 0;    // rows appended
  uint64_t invalid = 0;  // spans left out: ids or times that cannot be
};

class ProtoDecoder {
 public:
  ProtoDecoder();
  ~ProtoDecoder();
  Result<Decoded> Decode(std::string_view message, api::SpanTable* out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::otlp
