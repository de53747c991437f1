#include "sql/serve/page_query.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "engine/base/units.h"

namespace weft::serve {
namespace {

constexpr int64_t kMostTraces = 2'000, kDefaultTraces = 100;

// "" leaves the value as it is.
Result<void> ReadNumber(const Target& target, std::string_view name, int64_t* out) {
  const std::string_view text = target.Get(name);
  if (text.empty()) return {};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (read.ec == std::errc{} && read.ptr == text.data() + text.size()) return {};
  return Fail(Code::kInvalid, fmt::format("{}={}: expected a number", name, text));
}

Result<void> ReadDuration(const Target& target, std::string_view name, int64_t* out) {
  const std::string_view text = target.Get(name);
  if (text.empty()) return {};
  const Result<int64_t> duration = ParseDuration(text);
  if (!duration) return std::unexpected(duration.error());
  *out = *duration;
  return {};
}

}  // namespace

Result<PageTimes> ParsePageTimes(const Target& target, int64_t now_ns) {
  static constexpr int64_t kMsNs = 1'000'000, kMostMs = INT64_MAX / kMsNs;
  PageTimes times;
  int64_t last_ns = 0, from_ms = -kMostMs, to_ms = kMostMs;
  WEFT_TRY(ReadDuration(target, "last", &last_ns));
  WEFT_TRY(ReadNumber(target, "from", &from_ms));
  WEFT_TRY(ReadNumber(target, "to", &to_ms));
  if (last_ns > 0) times.from_ns = now_ns - last_ns;
  if (from_ms > -kMostMs) times.from_ns = std::min(from_ms, kMostMs) * kMsNs;
  if (to_ms < kMostMs) times.to_ns = std::max(to_ms, -kMostMs) * kMsNs;
  if (times.from_ns < times.to_ns) return times;
  return Fail(Code::kInvalid, "the time ends before it begins");
}

Result<sql::TraceFilter> ParsePageQuery(const Target& target, int64_t now_ns) {
  sql::TraceFilter filter;
  filter.service = target.Get("service");
  filter.operation = target.Get("operation");
  filter.errors = !target.Get("errors").empty();
  WEFT_TRY(ReadDuration(target, "min", &filter.min_duration_ns));
  WEFT_TRY(ReadDuration(target, "max", &filter.max_duration_ns));
  const auto times = ParsePageTimes(target, now_ns);
  if (!times) return std::unexpected(times.error());
  filter.from_ns = times->from_ns;
  filter.to_ns = times->to_ns;
  for (const std::string_view text : target.All("attr")) {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos || text.find('"') < equals)
      return Fail(Code::kInvalid, fmt::format("attribute '{}': expected KEY=VALUE", text));
    filter.attributes.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  int64_t limit = kDefaultTraces;
  WEFT_TRY(ReadNumber(target, "limit", &limit));
  filter.limit = static_cast<size_t>(std::clamp<int64_t>(limit, 1, kMostTraces));
  return filter;
}

}  // namespace weft::serve
