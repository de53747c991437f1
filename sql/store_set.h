// StoreSet: several stores read as one, each trace whole in exactly one of its databases.
//
// The members of a consumer group write a file each. A trace whose partition moved can have spans
// in two of them, some of them twice: what was exported before the move and what came after it.
// Opening gathers such traces, span by span, in one more database in memory, and hides them in
// their files. Readers ask the databases one after the other and put the answers together.
//
// Made by the commands; owns the connections; one thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "sql/database.h"

namespace weft::sql {

class StoreSet {
 public:
  // Names of files, or patterns ("weft-*.db"); a file that is named twice is read once. What only a
  // pattern finds is passed over where it is no store, and goes unread where it is a store that is
  // damaged or of another version, if there are others. kNotFound: no such file, or nothing is
  // stored in any; else as Database::OpenForReading.
  static Result<StoreSet> Open(const std::vector<std::string>& names);
  const std::vector<Error>& passed_over() const { return passed_over_; }
  // What these hold is missing in every answer: to be said with it.
  const std::vector<Error>& unread() const { return unread_; }

  size_t size() const { return stores_.size(); }
  const Database& operator[](size_t store) const { return stores_[store]; }
  std::vector<Database>::const_iterator begin() const { return stores_.begin(); }
  std::vector<Database>::const_iterator end() const { return stores_.end(); }
  // For messages: the file, or how many.
  std::string Name() const;

 private:
  Result<void> GatherSplitTraces();
  Result<void> GatherInSnapshot();

  std::vector<Error> passed_over_, unread_;
  std::vector<Database> stores_;  // one per file; last the split traces, if there are any
};

}  // namespace weft::sql
