// AttributeDirectory: makes the attributes of a batch findable (attribute_directory).
//
// Begin, Add for each span of a new trace and Join for those of a stored one, Finish before the
// transaction ends. A set that many spans of the batch have is noted once, without its traces:
// whoever looks for it finds it by reading. What joins a trace again and again is noted once. Used
// by TraceWriter, from its thread; holds nothing between batches.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sql/attribute_hash.h"
#include "sql/database.h"

namespace weft::sinks {

class AttributeDirectory {
 public:
  Result<void> Prepare(const sql::Database& db);
  void Begin(int64_t first_trace);
  // pairs: PairHash of the attributes in the row itself.
  void Add(int64_t trace, int64_t set, std::span<const uint64_t> pairs);
  // The same of a span of a trace of an earlier batch.
  void Join(int64_t trace, int64_t set, std::span<const uint64_t> pairs);
  Result<void> Finish();

 private:
  struct SetTraces {
    uint32_t count = 0;
    std::array<uint32_t, 8> traces{};
  };

  void Note(uint64_t hash, uint32_t trace) {
    sql::AppendEntry(parts_[sql::PartOf(hash)], sql::EntryOf(hash, trace));
  }

  using Entries = std::vector<uint32_t>;

  Result<void> FinishJoined();
  Result<void> PutJoined(int64_t trace, uint32_t part, Entries& entries);

  sql::Statement add_, find_, put_;
  int64_t first_trace_ = 0;
  bool any_ = false;
  std::array<std::string, sql::kAttributeParts> parts_;
  std::unordered_map<int64_t, SetTraces> sets_;
  std::map<std::pair<int64_t, uint32_t>, Entries> joined_;  // (trace, part)
};

}  // namespace weft::sinks
