// OtlpProto: columns to OTLP protobuf (opentelemetry.proto.trace.v1.TracesData, which is the same
// bytes as an ExportTraceServiceRequest).
//
// Rows are grouped by process and instrumentation scope. Each distinct attribute of a batch is
// encoded once and then copied; lengths are known before they are written, so nothing is moved and
// nothing is allocated per span. What sources/otlp made attributes of (otel.scope.name,
// otel.events,
// ...) becomes what it was. Text that is not UTF-8 is repaired, because Go's decoders refuse a
// whole batch for one wrong byte. Keeps its buffers between calls; one thread.
//
//   (Begin Append*)*
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "engine/api/plugin_abi.h"

namespace weft::sinks {

class OtlpProto {
 public:
  OtlpProto();
  ~OtlpProto();

  // The batch that the next rows come from; lent until the next Begin.
  void Begin(const weft_spans& spans);
  // Appends one TracesData with the given rows.
  void Append(std::span<const uint32_t> rows, std::string* out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::sinks
