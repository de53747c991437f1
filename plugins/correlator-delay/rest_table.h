// RestTable: how much time is left to a request's end once all of its calls so far are answered.
//
// Ends are mostly known when a window is decided, so this tells at once what else would be seen
// much later: whose answer led to whose end. It also knows which children outlive their parent, and
// by how much. Histograms from the general to the particular: of any request, by the last call, by
// operation, last call and the multiset of calls; each leans on the one before.
//
// Rows are numbers, valid until Clear. Log densities are computed where they are asked for and
// remembered until Rebuild. One thread; plain value.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "plugins/correlator-delay/gap_bins.h"
#include "plugins/correlator-delay/request_state.h"

namespace weft::plugins::delay {

class RestTable {
 public:
  RestTable() { Clear(); }
  void Clear();
  // Where a state is counted; whoever holds the state keeps it.
  struct Memo {
    uint32_t row = kNone, generation = 0;
  };
  void Observe(const RequestState& state, Memo& memo, size_t bin);
  void Scale(float factor);
  void Bound(size_t entries);
  void Rebuild();

  uint32_t RowOf(const RequestState& state) const;
  float LogDensity(uint32_t row, size_t bin, const GapBins& bins) const {
    float& known = rows_[row].log_density[bin];
    return known <= kUnknown ? known : known = FindDensity(row, bin, bins);
  }

 private:
  friend class StateCodec;
  struct Row {
    uint64_t key = 0;
    uint32_t coarser = 0;
    float n = 0;
    Histogram count{};
    mutable Histogram log_density{};
  };

  static constexpr float kUnknown = 1e30f;
  static constexpr size_t kMaxRows = 256;

  static uint64_t KeyOf(const RequestState& state, bool detailed);
  uint32_t RowFor(uint64_t key, uint32_t coarser);
  float FindDensity(uint32_t row, size_t bin, const GapBins& bins) const;

  size_t entries_ = 0;  // at most so many are in use; SIZE_MAX: unknown
  uint32_t generation_ = 0;
  std::vector<Row> rows_;  // the first is of any request
  std::unordered_map<uint64_t, uint32_t> row_of_;
};

}  // namespace weft::plugins::delay
