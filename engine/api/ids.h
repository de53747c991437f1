// How ids are made. Part of the contract: the same exchange has the same ids in every run and on
// both ends, so these functions must never change (ids_test.cc pins them).
#pragma once

#include <cstdint>

#include "engine/base/hash.h"

namespace weft::api {

// Which end of an exchange a span describes.
enum class Side : uint64_t { kServer = 1, kClient = 2 };

struct TraceId {
  uint64_t hi = 0, lo = 0;
  bool valid() const { return (hi | lo) != 0; }
  friend bool operator==(const TraceId&, const TraceId&) = default;
};

// TCP sequence numbers of the first request byte and the first response byte; 0 means "none", which
// an exchange would only have by chance of 2^-64.
constexpr uint64_t WireId(uint32_t request_seq, uint32_t response_seq) {
  return static_cast<uint64_t>(request_seq) << 32 | response_seq;
}

// Key of an exchange on one side: socket cookie mixed with the boot id, position of the request's
// first byte in its direction of the stream.
constexpr uint64_t ExchangeKey(uint64_t connection, uint64_t request_position, Side side) {
  return HashCombine(HashCombine(connection, request_position), static_cast<uint64_t>(side));
}

// Span id of one side; wire_id where there is one, else the exchange key. Never 0.
constexpr uint64_t SpanId(uint64_t wire_id_or_exchange, Side side) {
  const uint64_t id = HashCombine(wire_id_or_exchange, static_cast<uint64_t>(side));
  return id == 0 ? 1 : id;
}

// The wire id that SpanId made this of. Requires: it was made of one, and is not 1, which may stand
// for 0.
constexpr uint64_t WireIdOf(uint64_t span_id, Side side) {
  return Unmix64(span_id) ^ Mix64(static_cast<uint64_t>(side));
}

// Trace id of a root without context.
constexpr TraceId RootTraceId(uint64_t root_span_id) {
  return {Mix64(root_span_id), Mix64(Mix64(root_span_id))};
}

// The lower half of such an id by its upper half; 0 for none.
constexpr uint64_t RootTraceLow(uint64_t trace_hi) { return trace_hi == 0 ? 0 : Mix64(trace_hi); }

constexpr uint64_t TraceKey(TraceId id) { return id.hi ^ id.lo; }

}  // namespace weft::api
