// TruthScore: how much of a store is right, measured against the ground truth that was captured.
//
// A root request carries a value like r17 in its X-Weft-Truth; a service that got V makes its calls
// with V.1, V.2, ...; a proxy passes V on unchanged. So the right parent of a client span with V.k
// (or with V, in a proxy) is the server span with V in its own process; that of a server span is
// the latest begun client span of another process with the same value; where no such span was seen
// the right answer is "none". For `weft eval`; reads only what a reader of the store can see.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "sql/store_set.h"

namespace weft::sql {

struct Share {
  uint64_t right = 0, of = 0;
  void Add(bool is_right) {
    right += is_right;
    ++of;
  }
  // 1 where there was nothing to get wrong.
  double Value() const {
    return of == 0 ? 1.0 : static_cast<double>(right) / static_cast<double>(of);
  }
};

struct ServiceScore {
  Share span;             // its client spans whose parent is right
  Share ambiguous;        // those begun while two or more requests of the process were open
  Share cross_process;    // its server spans with a caller that was seen
  uint64_t unlinked = 0;  // client spans left without parent that have one
};

struct TruthScore {
  uint64_t traces = 0;  // distinct trace ids among the scored spans
  uint64_t spans = 0;   // that carry truth
  Share trace_exact;    // root requests whose spans are all right, in one trace and alone there
  ServiceScore total;
  std::map<std::string, ServiceScore> services;
};

struct RootRange {
  uint64_t first = 0, last = UINT64_MAX;  // r<first> to r<last>
};

// kNotFound: no span carries truth.
Result<TruthScore> ScoreTruth(const StoreSet& stores, RootRange roots);

// One span as the scoring sees it; split off so that tests can score without a store.
struct TruthSpan {
  int64_t trace = 0;
  uint64_t span_id = 0, parent_id = 0;
  int64_t start_ns = 0, end_ns = 0;
  bool server = false, open = false;
  int64_t process = 0;
  std::string service, truth;  // truth "": none
};
TruthScore ScoreSpans(const std::vector<TruthSpan>& spans, RootRange roots);

}  // namespace weft::sql
