// SplitGather: copies the rows of split traces from their stores into one, each span once.
//
// Operations, attribute sets, rules, connections and processes get the numbers of the new store.
// Used by GatherSplit, for one call, inside a transaction of `to`.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "sql/database.h"
#include "sql/split_traces.h"

namespace weft::sql {

class SplitGather {
 public:
  SplitGather(std::span<const Database> stores, const Database& to) : stores_(stores), to_(to) {}
  Result<void> Run(const std::vector<SplitTrace>& traces);

 private:
  enum Kind { kOperation, kSet, kRule, kConnection, kProcess };

  Result<void> StageTrace(size_t store, int64_t row, int64_t trace);
  // The number here of what has `id` in the store, copied when it is first asked for.
  Result<int64_t> Copy(Kind kind, size_t store, int64_t id);
  Result<void> ChooseSpans();
  Result<void> AddCandidates();
  Result<void> AddTrace(const SplitTrace& trace, int64_t id);
  Result<void> AddDirectory(size_t traces);

  std::span<const Database> stores_;
  const Database& to_;
  std::map<std::pair<size_t, int64_t>, int64_t> copied_[kProcess + 1];
  Statement stage_;
};

}  // namespace weft::sql
