// AttributeLookup: which traces may have an attribute, of a stored batch by attribute_directory, of
// a group of batches by attribute_parts.
//
// Used by TraceSearch, which checks them. Lent: the database. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sql/database.h"

namespace weft::sql {

class AttributeLookup {
 public:
  using Range = std::pair<int64_t, int64_t>;  // of trace rows, [from, to)

  // sets: a table with the ids of the attribute sets that have the pair.
  static Result<AttributeLookup> Make(const Database& db, const std::string& key,
                                      const std::string& value, const std::string& sets);
  // Of the batch first..last; newest first. All of it where there is no directory.
  Result<std::vector<Range>> Find(int64_t first, int64_t last);
  // Of the group [first, end) of attribute_groups; newest first. ranges: as there.
  Result<std::vector<Range>> FindMerged(int64_t first, int64_t end, std::string_view ranges);

 private:
  void Want(uint64_t hash);
  Result<void> FindJoined(int64_t first, int64_t end, std::vector<Range>& out);

  Statement part_, merged_, joined_;
  std::map<uint32_t, std::vector<uint32_t>> wanted_;  // part -> entries without trace, sorted
  std::map<uint32_t, std::vector<uint32_t>> wanted_merged_;  // part -> MergedHashOf, sorted
};

}  // namespace weft::sql
