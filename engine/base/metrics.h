// Metrics: named counters and gauges, and the ledger that is made of them.
//
// Every place that can lose, drop, sample out or give up owns a counter here. Counters are created
// once (a lock) and then only added to (one relaxed atomic): hold the reference, never look up by
// name on a hot path. A reference stays valid as long as the Metrics object. Any thread.
// Names are lower_snake paths "agent.parse_failed"; labels, where needed, are part of the name:
// "sink.rows{sink=sqlite}".
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

class Counter {
 public:
  void Add(uint64_t delta = 1) { value_.fetch_add(delta, std::memory_order_relaxed); }
  // A third of the cost, where only one thread ever adds.
  void AddAlone(uint64_t delta = 1) { Set(Get() + delta); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }  // gauges
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Metrics {
 public:
  // The counter of that name, made on first use.
  Counter& Get(std::string_view name);
  // All counters in name order; a snapshot.
  std::vector<std::pair<std::string, uint64_t>> Snapshot() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters_;
};

}  // namespace weft
