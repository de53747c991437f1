// Explanation: why a span has its parent: the evidence, how sure it is, and what else was weighed,
// in words for `weft explain` and the page.
//
// Read out of a StoreSet; owns its text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "sql/store_set.h"
#include "sql/trace_reader.h"

namespace weft::sql {

struct WeighedParent {
  StoredCandidate candidate;         // span_id 0: no parent at all
  std::optional<StoredSpan> stored;  // the span that it names
  double share = 0;                  // softmax of the log-odds
  bool chosen = false;
};

struct Explanation {
  StoredSpan span;
  StoredTrace trace;
  std::string decision;              // why the trace is stored, and how much of it
  std::optional<StoredSpan> parent;  // nothing where there is none, or it is not stored
  std::string no_parent;             // why span.parent_id is 0
  std::vector<std::string_view> because;
  std::vector<WeighedParent> weighed;  // best first; empty where there was no choice
};

// By the beginning of the span's id; errors as FindSpan.
Result<Explanation> Explain(const StoreSet& stores, std::string_view span_prefix);

}  // namespace weft::sql
