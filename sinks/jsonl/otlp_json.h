// OtlpJson: columns to OTLP JSON (opentelemetry.proto.trace.v1.TracesData).
//
// Rows are grouped by process into resources. Keeps its buffers between calls; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::sinks {

class OtlpJson {
 public:
  // Appends one TracesData object with the rows [begin, end), without a newline.
  void AppendTracesData(std::string& out, const weft_spans& spans, uint32_t begin, uint32_t end);
  // With these rows.
  void AppendTracesData(std::string& out, const weft_spans& spans, std::span<const uint32_t> rows);

 private:
  void AppendOrdered(std::string& out, const weft_spans& spans);
  void AppendResource(std::string& out, const weft_spans& spans, uint32_t process);
  void AppendSpan(std::string& out, const weft_spans& spans, uint32_t row);
  // What the columns know, except where the span's own attributes say it.
  void AppendFacts(std::string& out, const weft_spans& spans, uint32_t row);
  void AppendAttribute(std::string& out, const weft_spans& spans, uint32_t pair);

  std::vector<uint32_t> order_;
};

}  // namespace weft::sinks
