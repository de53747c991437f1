// SpanRecords: rows that have their trace ids already, as records for stage 2.
//
// For sources of traces that others made: each row goes to the partition of its trace. The records
// speak for no watermark. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/transport/transport.h"

namespace weft::sources {

struct SpanRecord {
  transport::OutRecord record;
  uint32_t rows = 0;
};

// A few thousand rows in each. Requires: partitions > 0.
std::vector<SpanRecord> MakeSpanRecords(const api::SpanTable& table, uint32_t partitions);

}  // namespace weft::sources
