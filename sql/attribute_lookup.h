// AttributeLookup: which traces of a stored batch may have an attribute, by attribute_directory.
//
// Used by TraceSearch, which checks them. Lent: the database. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
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

 private:
  void Want(uint64_t hash);

  Statement part_;
  std::map<uint32_t, std::vector<uint32_t>> wanted_;  // part -> entries without trace, sorted
};

}  // namespace weft::sql
