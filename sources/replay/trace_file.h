// TraceFile: spans with ids and parents, read from files that others wrote.
//
// Formats are told apart by content: the flat CSV of span_id,parent_span_id,trace_id,... Files may
// be compressed with gzip or zstd. What cannot be read is passed over, counted, and named by file
// and line. Rows come as OTLP's do: of a process per service, with trace, id and parent. Read until
// false; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/base/result.h"

namespace weft::sources {

class TraceFile {
 public:
  struct Totals {
    uint64_t spans = 0, malformed = 0;
    std::vector<std::string> complaints;  // "file:line: reason", the first few
  };

  virtual ~TraceFile() = default;
  static Result<std::unique_ptr<TraceFile>> Open(const std::filesystem::path& path);

  // Appends some thousand rows; false at the end. An error ends it: nothing more can be read.
  virtual Result<bool> Next(api::SpanTable* out) = 0;
  virtual std::string_view format() const = 0;
  virtual const Totals& totals() const = 0;
};

}  // namespace weft::sources
