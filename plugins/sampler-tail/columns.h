// Attributes that columns hold, under the names that the exporters give them (sinks/otlp).
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "engine/api/plugin.h"

namespace weft::tail {

// A value as a test sees it; text is set for strings only.
struct AttributeValue {
  uint8_t type = WEFT_ATTR_STRING;
  std::string_view text;
  uint64_t bits = 0;
};

// Of a row of the spans, or of the processes. What is empty or zero is not there.
using ColumnReader = std::function<AttributeValue(const weft_spans&, uint32_t)>;

// Null where no column holds that attribute. Static storage.
const ColumnReader* FindColumn(std::string_view key);
const ColumnReader* FindProcessColumn(std::string_view key);

inline bool Absent(const AttributeValue& value) {
  return value.type == WEFT_ATTR_STRING ? value.text.empty() : value.bits == 0;
}

}  // namespace weft::tail
