// The smallest trace that crosses processes, as two agents of one host observe it.
#pragma once

#include <cstdint>

#include "engine/api/ids.h"
#include "engine/base/hash.h"
#include "sources/publisher.h"

namespace weft::test {

// Process 1 serves a request (wire id Mix64(n)) and calls process 2 of the same host (Mix64(n) +
// 1), which serves it: three spans, all of them ended by `now_ns`.
inline void AddCallingTrace(sources::Publisher& agent, uint64_t n, int64_t now_ns) {
  const auto add = [&](uint64_t process, weft_kind kind, uint64_t wire, int64_t from, int64_t to) {
    api::SpanTable& t = agent.AddRow({process, 1, "svc"});
    const api::Side side = kind == WEFT_KIND_SERVER ? api::Side::kServer : api::Side::kClient;
    t.exchange.back() = api::ExchangeKey(wire, 0, side);
    t.wire_id.back() = wire;
    t.span_id.back() = api::SpanId(wire, side);
    t.kind.back() = static_cast<uint8_t>(kind);
    t.start_ns.back() = now_ns - from;
    t.end_ns.back() = now_ns - to;
  };
  add(1, WEFT_KIND_SERVER, Mix64(n), 9000, 1000);
  add(1, WEFT_KIND_CLIENT, Mix64(n) + 1, 8000, 2000);
  add(2, WEFT_KIND_SERVER, Mix64(n) + 1, 7000, 3000);
}

}  // namespace weft::test
