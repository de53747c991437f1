// AttributeMerger: makes of many batches' rows in attribute_directory one group in attribute_parts,
// so that looking for a rare value costs a question per 8,192 traces, not one per batch.
//
// Add once per batch, before its transaction ends. The newest batches stay as they are, because
// spans still join their traces; groups that are small, as where few traces come, are merged once
// more. Used by TraceWriter, from its thread. After a rolled back transaction Forget().
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "sql/attribute_hash.h"
#include "sql/database.h"

namespace weft::sinks {

class AttributeMerger {
 public:
  static constexpr size_t kKept = 64;    // batches that are not merged yet
  static constexpr size_t kAtOnce = 32;  // batches of a new group
  static constexpr uint64_t kMaxEntries = 131'072;

  Result<void> Prepare(const sql::Database& db);
  void Forget();
  // The batch that has just been written to attribute_directory began with this trace.
  Result<void> Add(int64_t first_trace);

 private:
  struct Group {
    int64_t first = 0, end = 0, how = 0;
    uint64_t entries = 0;
  };

  Result<void> Load();
  Result<Group> Newest();
  Result<void> MergeBatches();
  Result<void> MergeGroups();
  // All of [first, end) becomes one group.
  Result<void> Merge(int64_t first, int64_t end);
  Result<void> GatherGroups(int64_t first, int64_t end);
  Result<void> GatherBatches(int64_t first, int64_t end);
  Result<void> Remove(int64_t first, int64_t end);
  Result<void> Put(int64_t first, int64_t end, int64_t how);

  sql::Statement newest_, before_, after_, batches_, groups_, parts_of_, drop_batches_, drop_parts_,
      drop_groups_, add_part_, add_group_;
  bool loaded_ = false;
  std::deque<int64_t> unmerged_;  // first traces, ascending
  std::array<std::vector<uint32_t>, sql::kMergedParts> parts_;
  std::vector<uint32_t> ranges_;
};

}  // namespace weft::sinks
