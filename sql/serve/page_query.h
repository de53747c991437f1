// The page's search form as a TraceFilter: service, operation, min, max ("50ms"), errors, attr
// (KEY=VALUE, several), last ("1h") or from and to (milliseconds since 1970), limit. Pure.
#pragma once

#include <cstdint>

#include "engine/base/result.h"
#include "sql/serve/request.h"
#include "sql/trace_search.h"

namespace weft::serve {

struct PageTimes {
  int64_t from_ns = INT64_MIN, to_ns = INT64_MAX;
};
Result<PageTimes> ParsePageTimes(const Target& target, int64_t now_ns);
Result<sql::TraceFilter> ParsePageQuery(const Target& target, int64_t now_ns);

}  // namespace weft::serve
