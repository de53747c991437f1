// GapTable: how long it takes from a request's last event to each of its next ones.
//
// A histogram per (last event, outcome), leaning on the one of the outcome alone while it has few
// entries. Each is kept twice, with a long and a short memory: which of the two foresaw the recent
// gaps better says how much the short one counts, so a service that becomes a thousand times slower
// is followed within some ten requests, and noise is not.
//
// Densities are computed where they are asked for and remembered until the next Rebuild. Counts may
// change between two Rebuilds only if nothing is asked in between. One thread; plain value.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/correlator-delay/gap_bins.h"
#include "plugins/correlator-delay/request_state.h"

namespace weft::plugins::delay {

class GapTable {
 public:
  explicit GapTable(int64_t quantum_ns = 1000) : bins_(quantum_ns) {}
  void Clear();
  void set_quantum(int64_t quantum_ns) { bins_ = GapBins(quantum_ns); }
  const GapBins& bins() const { return bins_; }

  // `recent`: the gaps come in the order in which they happened, so the short memory takes part.
  void Observe(Label last, Outcome outcome, int64_t gap_ns, bool recent);
  void ObserveResponse(Label last) {
    responses_[last] += 1;
    stale_[last] = true;
  }
  void Scale(float factor);
  // Keeps at most `entries` histogram entries: the lightest go.
  void Bound(size_t entries);
  void Rebuild();

  // Of a gap's bin: log density per microsecond, and log share of requests still without a next
  // event of their own.
  float LogDensity(Label last, Outcome outcome, size_t bin) const {
    const uint16_t row = row_of_[uint32_t{last} * kOutcomes + outcome];
    const Row& from = row == kNoRow ? any_[outcome] : rows_[row];
    float& known = from.log_density[bin];
    return known <= kUnknown ? known : known = FindDensity(from, outcome, bin);
  }
  float LogSurvival(Label last, size_t bin) const {
    const uint16_t row = survival_of_[last];
    return row == kNoRow ? 0 : log_survival_[row][bin];
  }

 private:
  friend class StateCodec;
  struct Counts {
    float n = 0;
    Histogram at{};
  };
  struct Row {
    uint16_t key = 0;     // of a label and an outcome
    float lead = 0;       // log-likelihood by which the short memory is ahead
    float share = 0;      // that the short memory has, as of the last Rebuild
    bool changed = true;  // since then
    Counts lasting, recent;
    mutable Histogram log_density{};
  };

  static constexpr uint16_t kNoRow = 0xffff;
  static constexpr float kUnknown = 1e30f;
  static constexpr size_t kMaxRows = 384;

  Row* RowFor(Label last, Outcome outcome);
  void Add(Counts& counts, size_t bin);
  float AnyShare(Outcome outcome, size_t bin) const;
  float LastingShare(const Row& row, Outcome outcome, size_t bin) const;
  float RecentShare(const Row& row, float lasting, size_t bin) const;
  float FindDensity(const Row& row, Outcome outcome, size_t bin) const;
  void RebuildSurvival();
  static void CountsToSurvival(Histogram& counts, float later);

  GapBins bins_;
  size_t entries_ = SIZE_MAX;  // at most so many are in use
  std::vector<uint16_t> row_of_ = std::vector<uint16_t>(kLabels * kOutcomes, kNoRow);
  std::vector<Row> rows_;
  std::vector<Row> any_ = std::vector<Row>(kOutcomes);  // whatever came before
  std::array<float, kLabels> responses_{};
  std::array<bool, kLabels> stale_{};    // their survival
  std::vector<Histogram> log_survival_;  // by survival_of_
  std::vector<uint16_t> survival_of_ = std::vector<uint16_t>(kLabels, kNoRow);
};

}  // namespace weft::plugins::delay
