#include "plugins/correlator-delay/gap_table.h"

#include <algorithm>
#include <cmath>

#include "plugins/correlator-delay/fading.h"

namespace weft::plugins::delay {
namespace {

constexpr float kBackoff = 8.0f;  // requests before a pair's own histogram outweighs the shared
constexpr float kSurvivalFloor = 1e-6f;
constexpr float kRecent = 64;  // gaps; then the short memory is halved
constexpr float kMostLead = 8.0f, kLeastLead = -8.0f;
constexpr float kLeadMemory = 0.95f;
constexpr float kLeadNeeded = 3.0f;  // nats, for an even share
constexpr float kLeastCount = 1 / kCountSteps;

void Fade(Histogram& h, float& n, float factor) {
  n = Faded(n, factor);
  for (float& c : h)
    if (c > 0) c = Faded(c, factor);
}

}  // namespace

void GapTable::Clear() {
  for (const Row& row : rows_) row_of_[row.key] = kNoRow;
  rows_.clear();
  for (Row& row : any_)
    if (row.lasting.n > 0) row = {};
  entries_ = 0;
  responses_.fill(0);
  log_survival_.clear();
  std::ranges::fill(survival_of_, kNoRow);
}

GapTable::Row* GapTable::RowFor(Label last, Outcome outcome) {
  const uint32_t key = uint32_t{last} * kOutcomes + outcome;
  uint16_t& row = row_of_[key];
  if (row == kNoRow) {
    if (rows_.size() >= kMaxRows) return nullptr;
    row = static_cast<uint16_t>(rows_.size());
    rows_.emplace_back().key = static_cast<uint16_t>(key);
  }
  return &rows_[row];
}

float GapTable::AnyShare(Outcome outcome, size_t bin) const {
  const Counts& any = any_[outcome].lasting;
  return (Smooth(any.at, bin) + 0.01f) / (any.n + 1.28f);
}

float GapTable::LastingShare(const Row& row, Outcome outcome, size_t bin) const {
  return (Smooth(row.lasting.at, bin) + kBackoff * AnyShare(outcome, bin)) /
         (row.lasting.n + kBackoff);
}

float GapTable::RecentShare(const Row& row, float lasting, size_t bin) const {
  return (Smooth(row.recent.at, bin) + kBackoff * lasting) / (row.recent.n + kBackoff);
}

void GapTable::Add(Counts& counts, size_t bin) {
  if (counts.at[bin] <= 0 && entries_ != SIZE_MAX) ++entries_;
  counts.at[bin] += 1;
  counts.n += 1;
}

void GapTable::Observe(Label last, Outcome outcome, int64_t gap_ns, bool recent) {
  const size_t bin = bins_.Of(gap_ns);
  if (Row* row = RowFor(last, outcome); row != nullptr) {
    if (recent) {
      const float lasting = LastingShare(*row, outcome, bin);
      const float gain = std::log(RecentShare(*row, lasting, bin) / lasting);
      row->lead = std::clamp(kLeadMemory * row->lead + gain, kLeastLead, kMostLead);
      if (row->recent.n >= kRecent) Fade(row->recent.at, row->recent.n, 0.5f);
      Add(row->recent, bin);
    }
    Add(row->lasting, bin);
    row->changed = true;
  }
  Add(any_[outcome].lasting, bin);
  any_[outcome].changed = true;
}

void GapTable::Scale(float factor) {
  for (auto* rows : {&rows_, &any_})
    for (Row& row : *rows) {
      Fade(row.lasting.at, row.lasting.n, factor);
      row.changed = true;
    }
  for (float& r : responses_) r = Faded(r, factor);
  stale_.fill(true);
}

void GapTable::Bound(size_t entries) {
  if (entries_ <= entries) return;
  for (float least = kLeastCount;; least *= 2) {
    size_t used = 0;
    for (auto* rows : {&rows_, &any_})
      for (Row& row : *rows)
        for (Counts* counts : {&row.lasting, &row.recent})
          for (float& c : counts->at) {
            if (c < least) c = 0;
            used += c > 0;
          }
    entries_ = used;
    if (used <= entries) return;
    for (auto* rows : {&rows_, &any_})
      for (Row& row : *rows) row.changed = true;
  }
}

void GapTable::Rebuild() {
  for (Row& row : any_)
    if (row.changed) row.log_density.fill(2 * kUnknown);
  for (Row& row : rows_) {
    if (!row.changed && !any_[row.key % kOutcomes].changed) continue;
    row.share = row.recent.n > 0 ? 1 / (1 + std::exp(kLeadNeeded - row.lead)) : 0;
    row.log_density.fill(2 * kUnknown);
    row.changed = false;
    stale_[row.key / kOutcomes] = true;
  }
  for (Row& row : any_) row.changed = false;
  RebuildSurvival();
}

float GapTable::FindDensity(const Row& row, Outcome outcome, size_t bin) const {
  float p = 0;
  if (&row == &any_[outcome]) {
    p = AnyShare(outcome, bin);
  } else {
    p = LastingShare(row, outcome, bin);
    if (row.share > 0) p += row.share * (RecentShare(row, p, bin) - p);
  }
  return std::log(p + 1e-9f) - bins_.LogWidth(bin);
}

void GapTable::RebuildSurvival() {
  for (const Row& row : rows_) {
    const size_t label = row.key / kOutcomes;
    if (!stale_[label]) continue;
    uint16_t& index = survival_of_[label];
    if (index == kNoRow) {
      index = static_cast<uint16_t>(log_survival_.size());
      log_survival_.emplace_back();
    }
    log_survival_[index].fill(0);
  }
  for (const Row& row : rows_) {
    const size_t label = row.key / kOutcomes;
    if (!stale_[label]) continue;
    // In units of the long memory, so that rows of a label add up.
    const float lasting = 1 - row.share;
    const float recent = row.recent.n > 0 ? row.share * row.lasting.n / row.recent.n : 0;
    Histogram& counts = log_survival_[survival_of_[label]];
    for (size_t b = 0; b < GapBins::kFirstNegative; ++b)
      counts[b] += lasting * row.lasting.at[b] + recent * row.recent.at[b];
  }
  for (size_t label = 0; label < kLabels; ++label)
    if (stale_[label] && survival_of_[label] != kNoRow)
      CountsToSurvival(log_survival_[survival_of_[label]], responses_[label]);
  stale_.fill(false);
}

// `later`: of the label's events that a response followed, which counts as "later" first.
void GapTable::CountsToSurvival(Histogram& h, float later) {
  float total = later;
  for (const float c : h) total += c;
  float passed = 0, log = 0, at = -1;
  for (float& entry : h) {
    const float c = entry;
    if (passed != at) {
      log = std::log(std::max((total - passed + 0.5f) / (total + 0.5f), kSurvivalFloor));
      at = passed;
    }
    entry = log;
    passed += c;
  }
}

}  // namespace weft::plugins::delay
