// Attributes as JSON, for sinks; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "engine/api/plugin_abi.h"
#include "engine/base/json_text.h"

namespace weft::sinks {

// An attribute's value as plain JSON: "text", 12, 1.5, true. `spans` lends the strings.
void AppendPlainValue(std::string& out, const weft_spans& spans, uint32_t pair);

}  // namespace weft::sinks
