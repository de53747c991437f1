// What a trace stands for, where backends look for it: OpenTelemetry's sampling threshold in the
// trace state of its spans (`ot=th:...`, of 2^56 how many are rejected), from which they count all
// traffic. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/trace/export_batch.h"

namespace weft::trace {

// The hex digits of the threshold of a weight (adjusted count), as exact as OpenTelemetry asks for:
// four digits behind those that say nothing. "0" for a weight of 1.
std::string Threshold(double weight);

// A W3C tracestate with that threshold; other members stay. An earlier one counts, and stays where
// it rejects more, for spans that its sampler has chosen: their programs reported no others. What
// weft saw by itself it would have seen anyway, so there it says nothing.
enum class Earlier : uint8_t { kCounts, kSaysNothing };
std::string WithThreshold(std::string_view trace_state, std::string_view threshold,
                          Earlier earlier = Earlier::kCounts);

// Into the attribute w3c.tracestate of all spans of traces that stand for more than themselves, and
// of those that weft saw and that have a threshold of somebody else's.
// Requires: the batch's weights.
void WriteThresholds(ExportBatch& batch);

}  // namespace weft::trace
