// Spans as Zipkin's API v2 has them in JSON.
//
// Zipkin's two ends of a call may share one span id; here every span has its own. After the last
// span of a batch of rows, Separate gives the caller's end of such a pair a new id, and puts what
// belongs to it below it. Both ends must be in the same batch: a trace is written as one piece.
// Where the ends come apart, from two programs, SeparateServers in its place gives the server's end
// the new id, whatever else is in the batch.
// One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sources/replay/foreign_rows.h"
#include "sources/replay/json_value.h"

namespace weft::sources {

class ZipkinTraces {
 public:
  static bool IsSpan(JsonElement value);  // {"traceId": ..., "id": ..., ...}
  void Span(JsonElement span, uint64_t line, ForeignRows& out, api::SpanTable& table);
  void Separate(api::SpanTable& table);
  void SeparateServers(api::SpanTable& table);

 private:
  std::vector<uint32_t> shared_;  // rows: the server's end of a shared id
  uint32_t first_ = UINT32_MAX;   // row of the batch
  std::string events_, made_;
};

}  // namespace weft::sources
