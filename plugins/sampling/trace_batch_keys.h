// TraceBatchKeys: the service and operation that a trace is of: those of its root, or of its first
// span where no root was seen. Texts are lent from the batch; pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/api/plugin_abi.h"

namespace weft::sampling {

enum class KeyOf : uint8_t { kAll, kService, kOperation };

// "all", "service" or "operation". False: none of them.
bool ParseKeyOf(std::string_view text, KeyOf* out);

uint32_t RowOfTrace(const weft_traces& traces, uint32_t trace);
// Two numbers that are equal for equal keys of one batch.
uint64_t BatchKey(KeyOf of, const weft_spans& spans, uint32_t row);
// The key's text: "service" or "service operation".
std::string KeyText(KeyOf of, const weft_spans& spans, uint32_t row);

}  // namespace weft::sampling
