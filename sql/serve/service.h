// Service: everything that `weft serve` answers, over any transport. Access first, then the read
// APIs, then the page.
//
// Immutable; Answer from any thread. Lent: the pool and the clock.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/base/clock.h"
#include "sql/serve/access.h"
#include "sql/serve/jaeger_api.h"
#include "sql/serve/jaeger_v3.h"
#include "sql/serve/page_api.h"

namespace weft::serve {

class Service {
 public:
  Service(Access access, ReaderPool& pool, const Clock& clock)
      : access_(std::move(access)), jaeger_(pool, clock), jaeger_v3_(pool), page_(pool, clock) {}

  // What to answer instead, by the headers alone; nothing where the request may go on. `port` is
  // the one that it listens on.
  std::optional<Reply> Refuse(const Request& request, uint16_t port) const;
  // Refuses by itself too.
  Reply Answer(const Request& request, uint16_t port) const;

 private:
  Reply Route(const Request& request) const;

  Access access_;
  JaegerApi jaeger_;
  JaegerV3 jaeger_v3_;
  PageApi page_;
};

}  // namespace weft::serve
