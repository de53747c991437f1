// RedCounts: rate, errors and durations of what services answered, over a time in equal buckets and
// per operation.
//
// A short time is counted span by span, in buckets of seconds; a longer one out of the counts per
// minute that the store keeps, so that hours of millions of spans are read in a moment. Percentiles
// come from histograms of 16 buckets an octave and are at most 6.3 % off.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "sql/store_set.h"

namespace weft::serve {

struct RedTotals {
  uint64_t requests = 0, errors = 0;
  int64_t total_ns = 0, max_ns = 0;
  double estimated = 0;               // requests before sampling
  std::map<int, uint64_t> histogram;  // DurationBucket -> requests

  void Add(const RedTotals& other);
  // Interpolated; 0 where there are no requests.
  int64_t Percentile(double percent) const;
};

struct RedOperation {
  RedTotals totals;
  std::vector<uint64_t> requests, errors;  // per bucket
};

struct RedQuestion {
  std::string service, operation;  // "": any
  int64_t from_ns = 0, to_ns = 0;
};

struct RedAnswer {
  int64_t from_ns = 0, step_ns = 0;
  bool by_span = false;
  std::vector<RedTotals> buckets;
  std::map<std::pair<std::string, std::string>, RedOperation> operations;  // by service and name
};

Result<RedAnswer> CountRed(const sql::StoreSet& stores, const RedQuestion& question);

}  // namespace weft::serve
