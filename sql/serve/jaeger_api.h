// JaegerApi: the read API of Jaeger (/api/services, /api/traces, ...), as a Jaeger UI, Grafana's
// Jaeger data source and scripts ask it.
//
// Answers what Jaeger 1.76 / 2.13 answers to the same question about the same spans; what differs
// is said in docs/serve.md. Immutable; any thread. Lent: the pool and the clock.
#pragma once

#include <optional>

#include "engine/base/clock.h"
#include "sql/serve/reader_pool.h"
#include "sql/serve/request.h"

namespace weft::serve {

class JaegerApi {
 public:
  JaegerApi(ReaderPool& pool, const Clock& clock) : pool_(pool), clock_(clock) {}

  // Nothing where it has no such path.
  std::optional<Reply> Answer(const Request& request) const;

 private:
  Result<Reply> Services() const;
  Result<Reply> Operations(const Target& target) const;
  Result<Reply> OperationNames(const std::string& service) const;
  Result<Reply> Search(const Target& target) const;
  Result<Reply> Trace(const Target& target) const;
  Result<Reply> Dependencies(const Target& target) const;

  ReaderPool& pool_;
  const Clock& clock_;
};

}  // namespace weft::serve
