// Traces and spans in the page's JSON. Appends to a JsonOut; pure.
#pragma once

#include <cstdint>

#include "sql/serve/json_out.h"
#include "sql/trace_reader.h"

namespace weft::serve {

// The fields of a trace, inside an object that the caller opens and ends.
void PutTraceFields(JsonOut& json, const sql::StoredTrace& trace);
// ["late", "incomplete"]: what of the flags is worth a word.
void PutFlags(JsonOut& json, uint32_t flags);
// ["thread", "delay"]
void PutEvidence(JsonOut& json, uint32_t evidence);

}  // namespace weft::serve
