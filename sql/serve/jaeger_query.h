// JaegerQuery: the parameters of GET /api/traces, read as Jaeger reads them (a Go program: numbers
// and durations as Go writes them, and its words for what is wrong with them).
//
// Pure: text of strangers in, values or kInvalid out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "sql/serve/request.h"

namespace weft::serve {

struct JaegerQuery {
  std::string service, operation;
  int64_t from_ns = 0, to_ns = 0;
  int64_t min_duration_ns = 0, max_duration_ns = 0;  // 0: any
  std::map<std::string, std::string> tags;
  int64_t limit = 100;
  std::vector<std::string> trace_ids;  // 32 hex digits; then all else but the times is ignored
};

Result<JaegerQuery> ParseJaegerQuery(const Target& target, int64_t now_ns);
// Of a JSON object of strings.
Result<void> AddJaegerTags(std::string_view json, std::map<std::string, std::string>* tags);

// 32 lower-case hex digits out of at most 32 of either case.
Result<std::string> ParseJaegerTraceId(std::string_view text);
Result<int64_t> ParseGoInt(std::string_view text);
// "1h2m", "1.5ms", "-3us"; a unit is needed.
Result<int64_t> ParseGoDuration(std::string_view text);
// "2026-11-21T12:00:00.123456789Z" or with "+01:00".
Result<int64_t> ParseRfc3339(std::string_view text);
// A number of units since 1970; where there is none `fallback`. kInvalid names the parameter.
Result<int64_t> ParseJaegerTime(const Target& target, std::string_view name, int64_t unit_ns,
                                int64_t fallback_ns);

}  // namespace weft::serve
