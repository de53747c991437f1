/* What a sampler may say besides keep, weight and rule: which weights are shares of trace ids.
 *
 * Samplers that choose by the low 56 bits of the trace id (OpenTelemetry's ot=th) keep the same
 * traces: a twentieth is a part of a tenth, so of their weights the largest counts, while those of
 * independent chances multiply. The engine passes this struct wherever it passes weft_decisions;
 * one of before passes the shorter one, which struct_size tells. Columns are only ever appended. */
#pragma once

#include "plugin_abi.h" /* relative: installed side by side */

typedef struct weft_decisions_shares {
  weft_decisions decisions;
  uint8_t* by_trace_id; /* n entries, 0; to be 1 where the trace id's bits alone chose */
} weft_decisions_shares;

/* Says so of one trace, where the host wants to know. */
static inline void weft_by_trace_id(weft_decisions* decisions, uint32_t trace) {
  if (decisions->struct_size >= sizeof(weft_decisions_shares))
    ((weft_decisions_shares*)decisions)->by_trace_id[trace] = 1;
}
