// SalvageStore: what can still be read of a damaged store, into a new one; for `weft recover`.
//
// Each table is read in the order of its rows; where a page cannot be read the rows on it are
// passed over, and what was lost is told by row ids. What then has no partner any more (spans
// without their trace or operation) is removed, and counted. One thread; the damaged file is not
// changed.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace weft::sql {

struct SalvagedTable {
  std::string name;
  uint64_t rows = 0;  // read and stored
  // Row ids between which nothing could be read, both inclusive; INT64_MAX: to the end.
  std::vector<std::pair<int64_t, int64_t>> lost;
};

struct Salvaged {
  std::vector<SalvagedTable> tables;  // in the order of the schema
  uint64_t orphans = 0;               // spans that were read, but belong to nothing that was
  uint64_t short_traces = 0;          // traces that have fewer spans than they had
  uint64_t traces = 0, spans = 0;     // of the new store
  bool whole() const;
};

// kInvalid where `to` is there already; kCorrupt where not even the schema can be read.
Result<Salvaged> SalvageStore(const std::string& from, const std::string& to);

}  // namespace weft::sql
