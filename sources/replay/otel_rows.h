// OpenTelemetry spans as rows of a search index, one JSON object per span (Data Prepper's
// otel-v1-apm-span): ids in hex, times in ISO 8601, attributes as members named
// "span.attributes.http@url". One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sources/replay/foreign_rows.h"
#include "sources/replay/json_value.h"

namespace weft::sources {

class OtelRows {
 public:
  static bool IsRow(JsonElement value);  // {"traceId": ..., "spanId": ..., "startTime": ..., ...}
  void Row(JsonElement row, uint64_t line, ForeignRows& out);

 private:
  void ReadResource(JsonElement row, ForeignRows& out);
  std::string made_;
};

// "2021-03-25T17:23:30.088478464Z", with up to nine digits behind the point, as Unix ns. False:
// anything else, and what was before 1970.
bool ParseIsoTime(std::string_view text, uint64_t* unix_ns);

}  // namespace weft::sources
