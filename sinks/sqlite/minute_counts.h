// MinuteCounts: requests, errors and durations per minute and operation, for minute_rows.
//
// Add for each request of a batch, Flush before its transaction ends: each row that was touched is
// written once. What was flushed is remembered, so that the minute that is being written to is not
// read again. Used by TraceWriter, from its thread. After a rolled back transaction Forget().
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sql/database.h"
#include "sql/span_class.h"

namespace weft::sinks {

class MinuteCounts {
 public:
  Result<void> Prepare(const sql::Database& db);
  void Forget();
  void Add(int64_t operation, int64_t start_ns, int64_t duration_ns, bool error, double weight);
  // Takes back what was added in an earlier batch; max_ns stays.
  void Remove(int64_t operation, int64_t start_ns, int64_t duration_ns, bool error, double weight);
  Result<void> Flush(int64_t slice);

 private:
  struct Key {
    int64_t minute_ns, operation;
    bool operator==(const Key&) const = default;
  };
  struct Hash {
    size_t operator()(const Key& key) const;
  };
  struct Row {
    bool known = false;    // has what the store has
    bool touched = false;  // since the last flush
    int64_t requests = 0, errors = 0, total_ns = 0, max_ns = 0;
    double weight = 0;
    std::array<uint32_t, sql::kDurationBuckets> buckets{};
  };

  Row& Touch(int64_t operation, int64_t start_ns);
  Result<void> Load(const Key& key, Row& row);
  Result<void> Put(const Key& key, const Row& row, int64_t slice);

  sql::Statement load_, put_;
  std::unordered_map<Key, Row, Hash> rows_;
  std::vector<std::pair<Key, Row*>> touched_;
  std::string json_;
};

}  // namespace weft::sinks
