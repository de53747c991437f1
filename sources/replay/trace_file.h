// TraceFile: spans with ids and parents, read from files that others wrote.
//
// Formats are told apart by content: JSON of Jaeger, Zipkin v2, OTLP and of search indexes
// (json_trace_file.h), and two kinds of CSV (csv_traces.h). Files may be compressed with gzip or
// zstd, and are never held as a whole; a folder is
// read as one file. What cannot be read is passed over, counted, and named by
// file and line. Rows come as OTLP's do: of a process per service, with trace, id and parent. Read
// until false; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/base/result.h"
#include "sources/replay/byte_stream.h"

namespace weft::sources {

class TraceFile {
 public:
  struct Totals {
    uint64_t spans = 0, malformed = 0;
    std::vector<std::string> complaints;  // "file:line: reason", the first few
  };

  virtual ~TraceFile() = default;
  static Result<std::unique_ptr<TraceFile>> Open(const std::filesystem::path& path);
  // `name` is what complaints call it.
  static Result<std::unique_ptr<TraceFile>> Read(std::unique_ptr<ByteStream> bytes,
                                                 std::string name);

  // Appends some thousand rows; false at the end. An error ends it: nothing more can be read.
  virtual Result<bool> Next(api::SpanTable* out) = 0;
  virtual std::string_view format() const = 0;
  virtual const Totals& totals() const = 0;
};

}  // namespace weft::sources
