// Events and links of a span, which sources/otlp keeps as JSON text in the attributes otel.events
// and otel.links, as the OTLP fields that they were. Rare; any thread.
//
//   [{"timeUnixNano":"1","name":"x","attributes":{"k":1}},...]
//   [{"traceId":"32 hex","spanId":"16 hex","traceState":"...","attributes":{...}},...]
#pragma once

#include <string>
#include <string_view>

namespace weft::sinks {

// Append fields 11 (events) or 13 (links) of a span. False, and nothing appended, where the text is
// something else.
bool AppendEvents(std::string& out, std::string_view json);
bool AppendLinks(std::string& out, std::string_view json);

}  // namespace weft::sinks
