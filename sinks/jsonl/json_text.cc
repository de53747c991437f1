#include "sinks/jsonl/json_text.h"

#include <bit>

#include "engine/api/dictionary.h"

namespace weft::sinks {

void AppendPlainValue(std::string& out, const weft_spans& spans, uint32_t pair) {
  const uint64_t value = spans.pairs->value[pair];
  switch (spans.pairs->type[pair]) {
    case WEFT_ATTR_INT: AppendInt(out, std::bit_cast<int64_t>(value)); break;
    case WEFT_ATTR_DOUBLE: AppendDouble(out, std::bit_cast<double>(value)); break;
    case WEFT_ATTR_BOOL: out += value != 0 ? "true" : "false"; break;
    default: AppendJsonString(out, api::View(spans.strings[static_cast<uint32_t>(value)]));
  }
}

}  // namespace weft::sinks
