// Rows as spans of Zipkin's API v2 in JSON (zipkin2-api.yaml). Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/api/plugin_abi.h"

namespace weft::sinks {

// Appends one span, an object. What OTLP's events were becomes annotations; values of attributes
// become text, because tags are.
void AppendZipkinSpan(std::string& out, const weft_spans& spans, uint32_t row);

}  // namespace weft::sinks
