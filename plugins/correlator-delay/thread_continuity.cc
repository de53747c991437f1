#include "plugins/correlator-delay/thread_continuity.h"

#include <algorithm>
#include <cmath>

namespace weft::plugins::delay {
namespace {

// Before anything is seen, of owners and others alike, so that nothing seen means nothing said.
constexpr std::array<float, kRelations> kStart{0,     0.34f, 0.05f, 0.05f, 0.32f, 0.06f,
                                               0.03f, 0.03f, 0.04f, 0.04f, 0.04f};
constexpr std::array<float, kTurns> kStartTurn{0.4f, 0.2f, 0.4f};
constexpr float kStartWeight = 60.0f;
constexpr float kBackoff = 4.0f;   // observations before a step outweighs its outcome
constexpr float kHalfTrust = 300;  // others seen until half of the ratio counts: it is learned from
                                   // decisions, and those of a quiet hour say little of a busy one
constexpr float kMemory = 4000;    // observations; older ones count half
constexpr float kLimit = 7.0f;

constexpr uint32_t kAnyOwner = 1024, kOther = 1025;  // beside the labels
constexpr uint32_t kGapBins = 6;                     // of two octaves each, from 64 us
uint32_t GapBin(double microseconds) {
  uint32_t bin = 0;
  for (double limit = 64; bin + 1 < kGapBins && microseconds >= limit; limit *= 4) ++bin;
  return bin;
}
constexpr float kHandoverBackoff = 6.0f;
uint64_t HandoverKey(uint16_t outcome, uint32_t from, uint32_t to) {
  return Join(Join(31, outcome), uint64_t{from} << 32 | to);
}
uint32_t KeyOf(uint32_t of, uint32_t outcome, uint32_t bin) {
  return (of * 64 + outcome) * kGapBins + bin;
}
size_t PlaceOf(const Stand& stand) {
  return static_cast<size_t>(stand.relation) * kTurns + static_cast<size_t>(stand.turn);
}

}  // namespace

Relation RelationOf(const Place& last, const Place& output) {
  if (last.thread == 0 || output.thread == 0) return Relation::kUnknown;
  if (last.thread != output.thread) return Relation::kElsewhere;
  if (last.output) {
    if (last.at == output.previous) return Relation::kOwnOutput;
    return last.at >= output.run_began ? Relation::kOwnRun : Relation::kOlder;
  }
  if (last.at < output.run_began) return Relation::kOlder;
  const bool next = last.position == output.position;
  const bool latest = last.position + 1 == output.inputs;
  if (next)
    return !latest              ? Relation::kNext
           : output.inputs == 1 ? Relation::kOnly
                                : Relation::kNextAndLatest;
  if (last.position < output.position) return Relation::kEarlier;
  return latest ? Relation::kLatest : Relation::kLater;
}

void ThreadContinuity::Add(uint32_t key, size_t place) {
  if (rows_.size() >= kMaxRows && !rows_.contains(key)) return;
  Row& row = rows_[key];
  row.n += 1;
  row.count[place] += 1;
  if (row.n < kMemory) return;
  row.n /= 2;
  for (float& c : row.count) c /= 2;
}

const ThreadContinuity::Row* ThreadContinuity::Find(uint32_t key) const {
  const auto found = rows_.find(key);
  return found == rows_.end() ? nullptr : &found->second;
}

void ThreadContinuity::Observe(uint16_t outcome, const Stand& stand, bool owner) {
  if (stand.relation == Relation::kUnknown) return;
  const uint32_t bin = GapBin(stand.gap);
  const size_t place = PlaceOf(stand);
  Add(KeyOf(owner ? kAnyOwner : kOther, outcome, bin), place);
  if (!owner) return;
  Add(KeyOf(stand.last, outcome, bin), place);
  ObserveOwner(outcome, stand);
}

// A pool may hand each thread's jobs to one other thread.
void ThreadContinuity::ObserveOwner(uint16_t outcome, const Stand& stand) {
  if (stand.relation != Relation::kElsewhere) return;
  if (handovers_.size() > kMaxHandovers) handovers_.Bound(kMaxHandovers / 2);
  handovers_.At(HandoverKey(outcome, stand.from, stand.to)) += 1;
  handovers_.At(HandoverKey(outcome, stand.from, 0)) += 1;
  handovers_.At(HandoverKey(outcome, 0, stand.to)) += 1;
  handovers_.At(HandoverKey(outcome, 0, 0)) += 1;
}

float ThreadContinuity::LogHandover(uint16_t outcome, const Stand& stand) const {
  if (stand.relation != Relation::kElsewhere) return 0;
  const float all = handovers_.Get(HandoverKey(outcome, 0, 0));
  const float to = handovers_.Get(HandoverKey(outcome, 0, stand.to));
  const float from = handovers_.Get(HandoverKey(outcome, stand.from, 0));
  if (to <= 0 || from <= 0) return 0;
  const float pair = handovers_.Get(HandoverKey(outcome, stand.from, stand.to));
  const float chance = to / all;
  return std::log((pair + kHandoverBackoff * chance) / (from + kHandoverBackoff) / chance);
}

void ThreadContinuity::Scale(float factor) {
  handovers_.Scale(factor);
  for (auto& [key, row] : rows_) {
    row.n *= factor;
    for (float& c : row.count) c *= factor;
  }
}

float ThreadContinuity::LogRatio(uint16_t outcome, const Stand& stand) const {
  if (stand.relation == Relation::kUnknown) return 0;
  const uint32_t bin = GapBin(stand.gap);
  const size_t place = PlaceOf(stand);
  const size_t r = static_cast<size_t>(stand.relation), t = static_cast<size_t>(stand.turn);
  const auto share = [&](uint32_t of, float prior, float weight) {
    const Row* row = Find(KeyOf(of, outcome, bin));
    return row == nullptr ? prior : (row->count[place] + weight * prior) / (row->n + weight);
  };
  const Row* others = Find(KeyOf(kOther, outcome, bin));
  if (others == nullptr) return 0;
  const float start = kStart[r] * kStartTurn[t];
  const float owner = share(stand.last, share(kAnyOwner, start, kStartWeight), kBackoff);
  const float other = share(kOther, start, kStartWeight);
  const float trust = others->n / (others->n + kHalfTrust);
  return std::clamp(trust * std::log(owner / other) + LogHandover(outcome, stand), -kLimit, kLimit);
}

}  // namespace weft::plugins::delay
