// ServiceGraph: who calls whom, over a time; the numbers behind `weft graph`.
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

// Calls begun in [from, to), most frequent first.
Result<std::vector<GraphEdge>> ReadServiceGraph(const StoreSet& stores, int64_t from_ns,
                                                int64_t to_ns);

}  // namespace weft::sql
