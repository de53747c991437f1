// JsonlSink: spans as OTLP JSON lines, one TracesData per line, by the JSON rules of
// opentelemetry-proto: hex ids, enums as numbers, 64-bit integers as strings.
//
// The `jsonl` exporter calls it. A line is written whole or, where the disk refuses, cut off again,
// so the file never ends in half a line. What the columns know and no attribute says (addresses,
// ports, threads, sizes, the link's confidence) becomes attributes. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/api/plugin_abi.h"
#include "engine/base/result.h"
#include "sinks/jsonl/otlp_json.h"

namespace weft::sinks {

class JsonlSink {
 public:
  // Appends to `path`, made with mode 0600 where missing; "-" is standard output.
  static Result<std::unique_ptr<JsonlSink>> Open(const std::string& path);
  ~JsonlSink();

  weft_outcome Write(const weft_spans& spans, Error* error);
  Result<void> Flush();

 private:
  JsonlSink(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Result<void> Append(const std::string& text);

  std::string path_;
  int fd_;
  OtlpJson encoder_;
  std::string text_;
};

}  // namespace weft::sinks
