#include "tests/accuracy/recording.h"

#include "engine/eval/load_change.h"
#include "sources/replay/trace_file.h"

namespace weft::accuracy {

Result<eval::KnownTraces> ReadTraces(const std::string& path) {
  auto file = sources::TraceFile::Open(path);
  if (!file) return std::unexpected(file.error());
  eval::KnownTracesBuilder builder(path);
  api::SpanTable table;
  for (bool more = true; more;) {
    table.Clear();
    const auto read = (*file)->Next(&table);
    if (!read) return std::unexpected(read.error());
    more = *read;
    builder.Add(table.View());
  }
  return builder.Build();
}

Result<Recording> ReadRecording(const std::string& path, double compress) {
  auto known = ReadTraces(path);
  if (!known) return std::unexpected(known.error());
  eval::Compress(*known, compress);
  return RecordingOf(*known);
}

Recording RecordingOf(const eval::KnownTraces& known) {
  Recording out;
  out.name = known.name;
  out.names = known.names;
  out.traces = known.traces;
  for (const eval::KnownSpan& s : known.spans) {
    Span& span = out.spans.emplace_back();
    span.trace = s.trace;
    span.service = s.service;
    span.peer = s.peer;
    span.operation = s.operation;
    span.client = s.call;
    span.start_ns = s.start_ns;
    span.end_ns = s.end_ns;
    if (s.call) span.parent = s.parent;
  }
  return out;
}

}  // namespace weft::accuracy
