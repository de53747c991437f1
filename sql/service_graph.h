// ServiceGraph: who calls whom, over a time; the numbers behind `weft graph`.
//
// Where the time has more spans than can be read in a moment every so manieth trace is read, chosen
// by a hash of its place, and what is counted is multiplied: shares and percentiles are those of
// the sample, and `one_in` says how large that is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "sql/store_set.h"

namespace weft::sql {

struct GraphEdge {
  std::string caller;  // "": from outside of what weft watches
  std::string callee;  // a service, or the address of something that is not traced
  bool traced = true;  // the callee is
  uint64_t calls = 0, errors = 0;
  int64_t p50_ns = 0, p95_ns = 0;
};

struct ServiceGraph {
  std::vector<GraphEdge> edges;  // most frequent first
  uint64_t one_in = 1;           // 1: every trace was read
};

// About a second's reading.
inline constexpr uint64_t kGraphSpans = 400'000;

// Calls begun in [from, to), of at most about most_spans spans.
Result<ServiceGraph> ReadServiceGraph(const StoreSet& stores, int64_t from_ns, int64_t to_ns,
                                      uint64_t most_spans = kGraphSpans);

}  // namespace weft::sql
