// Traces as Jaeger writes them in JSON: the traces of an API reply or of a UI download (whose
// references carry whole spans again), and the rows of its Elasticsearch index.
//
// The first CHILD_OF reference into the same trace is the parent, else the first FOLLOWS_FROM; all
// others become links. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "sources/replay/foreign_rows.h"
#include "sources/replay/json_value.h"

namespace weft::sources {

class JaegerTraces {
 public:
  static bool IsTrace(JsonElement value);  // {"spans": [...], "processes": {...}}
  static bool IsRow(JsonElement value);    // {"traceID": ..., "spanID": ..., ...}
  void Trace(JsonElement trace, uint64_t line, ForeignRows& out);
  void Row(JsonElement span, uint64_t line, ForeignRows& out);

 private:
  void Process(JsonElement process, ForeignRows& out);
  void ReadTags(JsonElement of, ForeignRows& out);
  void ReadReferences(JsonElement span);
  void ReadLogs(JsonElement span);
  void ReadSpan(JsonElement span, std::string_view trace_id, uint64_t line, ForeignRows& out);
  void AddTag(std::string_view key, JsonElement value, std::string_view type, ForeignRows& out);

  otlp::Span span_;
  std::string_view peer_;
  std::vector<uint32_t> pairs_;
  std::string events_, links_, made_;
};

}  // namespace weft::sources
