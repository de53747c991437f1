// Durations and sizes as people write them: "50ms", "5m", "24h", "64MB", "5GB", "1.5s".
//
// One spelling for the configuration and the command line. Durations need a unit (ns us ms s m h
// d); sizes may have one (B KB MB GB TB are powers of 1000, KiB MiB GiB TiB of 1024). Negative
// values and overflows are refused. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace weft {

Result<int64_t> ParseDuration(std::string_view text);  // ns
Result<uint64_t> ParseSize(std::string_view text);     // bytes

// The shortest exact spelling that parses back to the same value: 90'000'000'000 is "90s".
std::string FormatDuration(int64_t ns);
std::string FormatSize(uint64_t bytes);

// For people, three significant digits: "1.28s", "340ms", "1.2GB". Does not parse back exactly.
std::string ShortDuration(int64_t ns);
std::string ShortSize(uint64_t bytes);

}  // namespace weft
