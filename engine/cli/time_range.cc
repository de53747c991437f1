#include "engine/cli/time_range.h"

#include <cstring>
#include <ctime>
#include <string>

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::cli {
namespace {

Result<int64_t> ParseTime(const std::string& text, int64_t now_ns) {
  if (text.starts_with('-')) {
    const Result<int64_t> ago = ParseDuration(text.substr(1));
    if (!ago) return std::unexpected(ago.error());
    return now_ns - *ago;
  }
  for (const char* format :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    std::tm tm{};
    const char* const end = ::strptime(text.c_str(), format, &tm);
    if (end && (*end == '\0' || std::strcmp(end, "Z") == 0))
      return int64_t{timegm(&tm)} * 1'000'000'000;
  }
  return Fail(Code::kInvalid, fmt::format("'{}': expected a time ago (-2h) or a UTC time "
                                          "(2026-11-21T12:00)",
                                          text));
}

}  // namespace

Result<TimeRange> ParseTimeRange(std::string_view text, int64_t now_ns) {
  const size_t dots = text.find("..");
  if (dots == text.npos)
    return Fail(Code::kInvalid, fmt::format("'{}': expected FROM..TO, as in -2h..-1h", text));
  TimeRange range;
  const std::string from(text.substr(0, dots)), to(text.substr(dots + 2));
  for (const auto& [part, out] : {std::pair{&from, &range.from_ns}, std::pair{&to, &range.to_ns}}) {
    if (part->empty()) continue;
    const Result<int64_t> time = ParseTime(*part, now_ns);
    if (!time) return std::unexpected(time.error());
    *out = *time;
  }
  if (range.from_ns >= range.to_ns)
    return Fail(Code::kInvalid, fmt::format("'{}': ends before it begins", text));
  return range;
}

}  // namespace weft::cli
