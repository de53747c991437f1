// A span of time as people write it: "-2h..-1h", "2026-11-21T12:00..2026-11-21T13:00", "-5m..".
//
// Times of day are UTC; a missing end is open. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/result.h"

namespace weft::cli {

struct TimeRange {
  int64_t from_ns = INT64_MIN, to_ns = INT64_MAX;  // Unix time, [from, to)
};

// kInvalid says what was expected.
Result<TimeRange> ParseTimeRange(std::string_view text, int64_t now_ns);

}  // namespace weft::cli
