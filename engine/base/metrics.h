// Metrics: named counters, gauges and histograms, and the ledger that is made of the counters.
//
// Every place that can lose, drop, sample out or give up owns a counter here. Counters are created
// once (a lock) and then only added to (one relaxed atomic): hold the reference, never look up by
// name on a hot path. A reference stays valid as long as the Metrics object. Any thread.
// Names are lower_snake paths "agent.parse_failed"; labels, where needed, are part of the name:
// "sink.rows{sink=sqlite}". Times end in _ns, sizes in _bytes. What each name means stands in
// engine/telemetry/catalogue.cc, which a test holds complete.
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

#include "engine/base/histogram.h"
#include "engine/base/span_series.h"

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
  using Values = std::vector<std::pair<std::string, uint64_t>>;

  // The counter of that name, made on first use.
  Counter& Get(std::string_view name);
  Histogram& GetHistogram(std::string_view name);
  // Of the traffic that passes, not of weft.
  SpanSeries& spans() { return spans_; }
  const SpanSeries& spans() const { return spans_; }

  // In name order; snapshots. Counters are what the ledger is made of; gauges are the
  // PassingGauges.
  Values Snapshot() const;
  Values Gauges() const;
  std::vector<std::pair<std::string, Histogram::Values>> Histograms() const;

 private:
  friend class PassingGauge;

  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Counter>, std::less<>> counters_;
  std::map<std::string, std::unique_ptr<Histogram>, std::less<>> histograms_;
  std::multimap<std::string, const Counter*> gauges_;
  SpanSeries spans_;
};

// A gauge of something that comes and goes, such as a partition: shown as long as the object lives.
// Where two have one name (the old owner is not gone yet) the newer one is shown. Set from one
// thread. `metrics` outlives it.
class PassingGauge {
 public:
  PassingGauge(Metrics& metrics, std::string name);
  ~PassingGauge();
  PassingGauge(const PassingGauge&) = delete;
  PassingGauge& operator=(const PassingGauge&) = delete;

  // Less than 0 is shown as 0.
  void Set(int64_t value) { value_.Set(value < 0 ? 0 : static_cast<uint64_t>(value)); }

 private:
  Metrics& metrics_;
  Counter value_;
  std::multimap<std::string, const Counter*>::iterator at_;
};

}  // namespace weft
