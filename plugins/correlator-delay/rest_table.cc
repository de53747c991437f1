#include "plugins/correlator-delay/rest_table.h"

#include <cmath>

#include "plugins/correlator-delay/fading.h"

namespace weft::plugins::delay {
namespace {

constexpr float kBackoff = 16.0f;  // requests before a row outweighs the coarser one
constexpr float kLeastCount = 1 / kCountSteps;

}  // namespace

void RestTable::Clear() {
  rows_.assign(1, {});
  row_of_.clear();
  entries_ = 0;
  ++generation_;
}

uint64_t RestTable::KeyOf(const RequestState& s, bool detailed) {
  return detailed ? Join(Join(21, uint64_t{s.operation} << 16 | s.last), s.called)
                  : Join(22, s.last);
}

uint32_t RestTable::RowFor(uint64_t key, uint32_t coarser) {
  const auto found = row_of_.find(key);
  if (found != row_of_.end()) return found->second;
  if (rows_.size() >= kMaxRows) return coarser;
  const auto number = static_cast<uint32_t>(rows_.size());
  Row& row = rows_.emplace_back();
  row.key = key;
  row.coarser = coarser;
  row.log_density.fill(2 * kUnknown);
  row_of_[key] = number;
  return number;
}

void RestTable::Observe(const RequestState& state, Memo& memo, size_t bin) {
  if (memo.generation != generation_)
    memo = {RowFor(KeyOf(state, true), RowFor(KeyOf(state, false), 0)), generation_};
  for (uint32_t row = memo.row;; row = rows_[row].coarser) {
    Row& r = rows_[row];
    if (r.count[bin] <= 0 && entries_ != SIZE_MAX) ++entries_;
    r.count[bin] += 1;
    r.n += 1;
    if (row == 0) return;
  }
}

uint32_t RestTable::RowOf(const RequestState& state) const {
  for (const bool detailed : {true, false}) {
    const auto found = row_of_.find(KeyOf(state, detailed));
    if (found != row_of_.end()) return found->second;
  }
  return 0;
}

void RestTable::Scale(float factor) {
  for (Row& row : rows_) {
    row.n = Faded(row.n, factor);
    for (float& c : row.count)
      if (c > 0) c = Faded(c, factor);
  }
}

void RestTable::Bound(size_t entries) {
  if (entries_ <= entries) return;
  for (float least = kLeastCount;; least *= 2) {
    size_t used = 0;
    for (Row& row : rows_)
      for (float& c : row.count) {
        if (c < least) c = 0;
        used += c > 0;
      }
    entries_ = used;
    if (used <= entries) return;
  }
}

void RestTable::Rebuild() {
  for (Row& row : rows_) row.log_density.fill(2 * kUnknown);
}

float RestTable::FindDensity(uint32_t row, size_t bin, const GapBins& bins) const {
  float p = (Smooth(rows_[0].count, bin) + 0.01f) / (rows_[0].n + 1.28f);
  for (const uint32_t r : {rows_[row].coarser, row}) {
    if (r == 0) continue;
    p = (Smooth(rows_[r].count, bin) + kBackoff * p) / (rows_[r].n + kBackoff);
  }
  return std::log(p + 1e-9f) - bins.LogWidth(bin);
}

}  // namespace weft::plugins::delay
