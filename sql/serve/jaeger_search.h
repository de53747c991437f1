// What a JaegerQuery finds. Jaeger's tags are attributes, and some that it makes of a span's other
// facts (error, span.kind, ...), which are looked at after the search.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "sql/serve/jaeger_query.h"
#include "sql/store_set.h"
#include "sql/trace_reader.h"

namespace weft::serve {

struct JaegerTraces {
  std::vector<sql::StoredTrace> traces;
  std::vector<std::string> missing;  // of query.trace_ids
};

Result<JaegerTraces> FindJaegerTraces(const sql::StoreSet& stores, const JaegerQuery& query);

}  // namespace weft::serve
