#include "plugins/correlator-delay/request_model.h"

#include <algorithm>
#include <cmath>

namespace weft::plugins::delay {
namespace {

constexpr float kFirstBackoff = 0.3f;
constexpr float kDiscount = 1.0f;  // leave one out: a request has no vote for its own mistake

}  // namespace

void RequestModel::Clear() {
  counts_.Clear();
  gaps_.Clear();
  rests_.Clear();
  requests_ = 0;
}

void RequestModel::Contexts(const RequestState& s, uint64_t (&context)[kContexts]) {
  const uint64_t open = std::min<uint16_t>(s.open, 3);
  const uint64_t place = uint64_t{s.operation} << 16 | s.last;
  context[0] = Join(11, uint64_t{s.last} << 1 | (s.open > 0 ? 1 : 0));
  context[1] = Join(Join(12, place), open);
  context[2] = Join(Join(Join(13, place), uint64_t{s.previous} << 16 | s.before_previous), open);
  context[3] = Join(Join(Join(14, place), s.called), s.open);
}

void RequestModel::Observe(const RequestState& state, ContextRows& memo, Outcome outcome,
                           int64_t gap_ns, bool recent) {
  if (memo.generation != counts_.generation() || std::ranges::count(memo.rows, kNone) > 0) {
    uint64_t context[kContexts];
    Contexts(state, context);
    for (size_t k = 0; k < kContexts; ++k) memo.rows[k] = counts_.RowOf(context[k]);
    memo.generation = counts_.generation();
    memo.version = counts_.version();
  }
  for (const uint32_t row : memo.rows) counts_.Add(row, outcome);
  if (outcome == kResponds)
    gaps_.ObserveResponse(state.last);
  else
    gaps_.Observe(state.last, outcome, gap_ns, recent);
}

void RequestModel::Scale(float factor) {
  counts_.Scale(factor);
  gaps_.Scale(factor);
  rests_.Scale(factor);
  rates_.Scale(factor);
}

void RequestModel::Rebuild(uint32_t callees) {
  callees_ = callees;
  counts_.Bound(kMaxCounts);
  gaps_.Bound(kMaxGaps);
  rests_.Bound(kMaxRests);
  gaps_.Rebuild();
  rests_.Rebuild();
}

float RequestModel::LogProbability(const RequestState& state, ContextRows& memo,
                                   Outcome outcome) const {
  const bool missing =
      memo.version != counts_.version() && std::ranges::count(memo.rows, kNone) > 0;
  if (memo.generation != counts_.generation() || missing) {
    uint64_t context[kContexts];
    Contexts(state, context);
    for (size_t k = 0; k < kContexts; ++k) memo.rows[k] = counts_.Find(context[k]);
    memo.generation = counts_.generation();
    memo.version = counts_.version();
  }
  float p = 1.0f / static_cast<float>(callees_ + 2);
  for (size_t k = 0; k < kContexts && memo.rows[k] != kNone; ++k) {
    const ContextCounts::Row& row = counts_.row(memo.rows[k]);
    const float n = row.n;
    if (n <= 0) break;
    const float seen = counts_.Count(row, outcome);
    if (k == 0) {
      p = (seen + kFirstBackoff * p) / (n + kFirstBackoff);
      continue;
    }
    const float freed = std::min(n, kDiscount * row.distinct);
    p = (std::max(seen - kDiscount, 0.0f) + (freed + 1.0f) * p) / (n + 1.0f);
  }
  return std::log(p + least_);
}

}  // namespace weft::plugins::delay
