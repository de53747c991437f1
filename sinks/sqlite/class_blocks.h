// ClassBlocks: notes for each block of span_by_operation which operations have spans of which
// class, so that a search for slow or failed ones visits the blocks that have some.
//
// Add for each span that is written, Finish before the transaction ends. A block is noted once kLag
// newer ones have begun, because most of what joins its traces has come by then; what comes later
// is added. Used by TraceWriter, from its thread. After a rolled back transaction Forget().
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sql/class_mask.h"
#include "sql/database.h"

namespace weft::sinks {

class ClassBlocks {
 public:
  static constexpr int64_t kLag = 4;

  Result<void> Prepare(const sql::Database& db);
  void Forget();
  void Add(int64_t row_id, int64_t operation, int span_class);
  // next_row: where the next new span goes.
  Result<void> Finish(int64_t next_row);

 private:
  using Masks = std::map<uint32_t, sql::ClassMask>;  // by operation

  Result<void> Load(int64_t block);
  Result<void> Note(int64_t block);
  Result<void> AddLate(int64_t block, const Masks& late);

  sql::Statement last_, read_, find_, put_;
  int64_t noted_end_ = -1;  // blocks before it are noted, or were there before; -1: not known
  std::map<int64_t, Masks> late_;
};

}  // namespace weft::sinks
