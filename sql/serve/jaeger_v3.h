// JaegerV3: Jaeger's newer read API (/api/v3/...), which answers traces as OTLP/JSON; what Jaeger's
// own page asks from version 2.15 on.
//
// Parameters in snake_case, as the gRPC gateway names them, or in camelCase. Immutable; any thread.
// Lent: the pool.
#pragma once

#include <optional>

#include "sql/serve/jaeger_query.h"
#include "sql/serve/reader_pool.h"
#include "sql/serve/request.h"

namespace weft::serve {

class JaegerV3 {
 public:
  explicit JaegerV3(ReaderPool& pool) : pool_(pool) {}

  // Nothing where it has no such path.
  std::optional<Reply> Answer(const Request& request) const;

 private:
  Result<Reply> Services() const;
  Result<Reply> Operations(const Target& target) const;
  Result<Reply> Traces(const JaegerQuery& query) const;

  ReaderPool& pool_;
};

}  // namespace weft::serve
