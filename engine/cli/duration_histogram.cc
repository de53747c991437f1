#include "engine/cli/duration_histogram.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "sql/span_class.h"

namespace weft::cli {
namespace {

// The shortest duration of a class.
int64_t Begin(int number) {
  if (number == 0) return 0;
  const int octave = (number - 1) / 2 + 10;
  return int64_t{2 + (number - 1) % 2} << (octave - 1);
}

}  // namespace

std::string DurationHistogram(const std::vector<int64_t>& durations_ns, const OutputStyle& style) {
  if (durations_ns.empty()) return "";
  std::array<size_t, sql::kDurationClasses> counts{};
  for (const int64_t ns : durations_ns) ++counts[static_cast<size_t>(sql::DurationClass(ns))];
  size_t first = 0, last = counts.size() - 1;
  while (counts[first] == 0) ++first;
  while (counts[last] == 0) --last;
  const size_t most = *std::max_element(counts.begin(), counts.end());
  const auto room = static_cast<size_t>(std::clamp(style.width - 28, 10, 60));
  std::string out;
  for (size_t i = first; i <= last; ++i) {
    // Something is always seen of something.
    const size_t bar = counts[i] == 0 ? 0 : std::max<size_t>(counts[i] * room / most, 1);
    const int number = static_cast<int>(i);
    std::string line =
        fmt::format("{:>7} {} {:<7} {:>7}  ", ShortDuration(Begin(number)),
                    style.unicode ? "–" : "-", ShortDuration(Begin(number + 1)), counts[i]);
    for (size_t n = 0; n < bar; ++n) line += style.unicode ? "█" : "#";
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

}  // namespace weft::cli
