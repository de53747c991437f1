// JsonTraceFile: traces in JSON of any of the known forms, told apart value by value: Jaeger's,
// Zipkin's, OTLP's, and rows of search indexes (as such, with the index's envelope, or a whole
// reply). See trace_file.h.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "sources/replay/byte_stream.h"
#include "sources/replay/trace_file.h"

namespace weft::sources {

std::unique_ptr<TraceFile> OpenJsonTraces(std::unique_ptr<ByteStream> bytes, std::string name);

}  // namespace weft::sources
