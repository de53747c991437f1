// How many of some durations were how long, as lines of bars. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/cli/terminal.h"

namespace weft::cli {

// One line per half octave from the shortest to the longest; "" for none.
std::string DurationHistogram(const std::vector<int64_t>& durations_ns, const OutputStyle& style);

}  // namespace weft::cli
