// Traces of which several stores have spans: finding them, and making them whole.
//
// The rule: a span that more than one store has is the same span, because both wrote it from the
// same record of weft.spans, so one of its rows counts; an ended row counts over open ones; and no
// store's row goes unless there is its equal. So it does not matter whether a later owner of the
// partition exported a trace again as a whole, in part, or only late additions to it.
//
// Used by StoreSet. Functions; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sql {

struct SplitTrace {
  struct Part {
    size_t store = 0;
    int64_t row = 0;  // of trace_rows there
  };
  std::string trace_id;  // 16 bytes
  std::vector<Part> parts;
};

// Looks up in the other stores what a store has marked (WEFT_FLAG_RESUMED).
Result<std::vector<SplitTrace>> FindSplitTraces(std::span<const Database> stores);

// A store in memory with these traces, each whole.
Result<Database> GatherSplit(std::span<const Database> stores,
                             const std::vector<SplitTrace>& traces);

// From now on this connection shows none of the traces, neither in tables nor in views.
Result<void> HideSplit(const Database& db, const std::vector<SplitTrace>& traces, size_t store);

}  // namespace weft::sql
