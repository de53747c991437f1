// Recording: spans whose parents are known, with the evidence that correlators may ask for: of
// others' systems (eval::KnownTraces, without evidence), or made by a test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/eval/known_traces.h"

namespace weft::accuracy {

struct Span {
  uint32_t trace = 0, service = 0, peer = 0, operation = 0;  // numbers of names
  bool client = false;
  int64_t start_ns = 0, end_ns = 0;
  int32_t parent = -1;  // the truth: row of the server span of the same service; -1: none
  // Other evidence; 0: none. Recordings from files have none.
  uint32_t tid = 0;
  uint64_t connection = 0, context_trace = 0, context_span = 0;
  std::vector<uint32_t> tokens;  // as in weft_spans
};

struct Recording {
  std::string name;
  std::vector<Span> spans;
  std::vector<std::string> names;
  uint32_t traces = 0;
};

Recording RecordingOf(const eval::KnownTraces& known);
Result<eval::KnownTraces> ReadTraces(const std::string& path);
// Others' traces as `weft eval` reads them, their load raised by `compress`.
Result<Recording> ReadRecording(const std::string& path, double compress = 1);

}  // namespace weft::accuracy
