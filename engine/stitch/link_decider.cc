#include "engine/stitch/link_decider.h"

#include <algorithm>
#include <cmath>

namespace weft::stitch {
namespace {

bool IsServer(const weft_spans& v, uint32_t row) {
  return v.kind[row] == WEFT_KIND_SERVER || v.kind[row] == WEFT_KIND_CONSUMER;
}

// Rows are ordered by (start, exchange), so an earlier row began no later.
bool CouldCause(const weft_spans& v, uint32_t row, uint32_t child) {
  return row < v.n && IsServer(v, row) && v.start_ns[row] <= v.start_ns[child] &&
         (v.end_ns[row] == 0 || v.end_ns[row] >= v.start_ns[child]);
}

}  // namespace

void LinkDecider::SortVoices(const weft_spans& view, const weft_candidates& voices) {
  first_voice_.assign(view.n, WEFT_NONE);
  if (next_voice_.size() < voices.n) next_voice_.resize(voices.n);
  for (uint32_t i = voices.n; i-- > 0;) {
    const uint32_t child = voices.child[i];
    if (child >= view.n || view.role[child] != WEFT_ROLE_DECIDE || IsServer(view, child)) {
      ++ignored_;
      continue;
    }
    next_voice_[i] = first_voice_[child];
    first_voice_[child] = i;
  }
  servers_.clear();
  ends_.clear();
  for (uint32_t row = 0; row < view.n; ++row) {
    if (!IsServer(view, row)) continue;
    servers_.push_back(row);
    if (view.end_ns[row] != 0) ends_.push_back(view.end_ns[row]);
  }
  std::sort(ends_.begin(), ends_.end());
  started_ = ended_ = 0;
  if (slot_.size() < view.n) slot_.resize(view.n, 0);
}

void LinkDecider::Decide(const weft_spans& view, const weft_candidates& voices) {
  decisions_.clear();
  weighed_.clear();
  ignored_ = 0;
  SortVoices(view, voices);
  for (uint32_t row = 0; row < view.n; ++row)
    if (view.role[row] == WEFT_ROLE_DECIDE && !IsServer(view, row))
      decisions_.push_back(DecideOne(view, voices, row));
}

// How many servers had started, and how many had ended, when the child began.
void LinkDecider::AdvanceTo(const weft_spans& view, uint32_t child) {
  const int64_t t = view.start_ns[child];
  while (started_ < servers_.size() && view.start_ns[servers_[started_]] <= t) ++started_;
  while (ended_ < ends_.size() && ends_[ended_] < t) ++ended_;
}

// The latest started candidate that no voice has named: it has the total 0.
uint32_t LinkDecider::LatestSilent(const weft_spans& view, uint32_t child) const {
  for (size_t i = started_; i-- > 0;)
    if (slot_[servers_[i]] == 0 && CouldCause(view, servers_[i], child)) return servers_[i];
  return WEFT_NONE;
}

LinkDecision LinkDecider::DecideOne(const weft_spans& view, const weft_candidates& voices,
                                    uint32_t child) {
  AdvanceTo(view, child);
  LinkDecision d;
  d.child = child;
  d.first_weighed = static_cast<uint32_t>(weighed_.size());
  // A span that ended before it began would count as ended but not as started.
  d.n_candidates = static_cast<uint32_t>(started_ > ended_ ? started_ - ended_ : 0);
  touched_.clear();
  double none = none_log_odds_;
  for (uint32_t i = first_voice_[child]; i != WEFT_NONE; i = next_voice_[i]) {
    const uint32_t row = voices.candidate[i];
    if (row == WEFT_NONE) {
      none += voices.log_odds[i];
    } else if (!CouldCause(view, row, child) || !std::isfinite(voices.log_odds[i])) {
      ++ignored_;
    } else {
      if (slot_[row] == 0) {
        touched_.push_back({row, 0, 0});
        slot_[row] = static_cast<uint32_t>(touched_.size());
      }
      touched_[slot_[row] - 1].log_odds += voices.log_odds[i];
      touched_[slot_[row] - 1].evidence |= voices.evidence[i];
    }
  }
  const uint32_t n_voiced = static_cast<uint32_t>(touched_.size());
  const uint32_t n_silent = d.n_candidates > n_voiced ? d.n_candidates - n_voiced : 0;
  const uint32_t silent = n_silent == 0 ? WEFT_NONE : LatestSilent(view, child);
  for (const WeighedCandidate& c : touched_) slot_[c.row] = 0;
  if (silent != WEFT_NONE) touched_.push_back({silent, 0, 0});
  if (touched_.empty()) return d;

  const auto better = [](const WeighedCandidate& a, const WeighedCandidate& b) {
    const bool fixed_a = a.evidence & WEFT_EVIDENCE_CONTEXT;
    const bool fixed_b = b.evidence & WEFT_EVIDENCE_CONTEXT;
    if (fixed_a != fixed_b) return fixed_a;
    if (a.log_odds != b.log_odds) return a.log_odds > b.log_odds;
    return a.row > b.row;
  };
  // The few best, in order. From the back, because of equal ones the latest is the best: most of
  // the others are then turned away by one comparison.
  WeighedCandidate leading[kMaxWeighed];
  size_t shown = 0;
  for (size_t i = touched_.size(); i-- > 0;) {
    if (shown == kMaxWeighed && !better(touched_[i], leading[shown - 1])) continue;
    size_t at = shown < kMaxWeighed ? shown++ : shown - 1;
    for (; at > 0 && better(touched_[i], leading[at - 1]); --at) leading[at] = leading[at - 1];
    leading[at] = touched_[i];
  }
  const WeighedCandidate& best = leading[0];
  const bool fixed = best.evidence & WEFT_EVIDENCE_CONTEXT;
  if (fixed) {
    d.confidence = 1;
  } else {
    const double top = std::max<double>(best.log_odds, none);
    double sum = std::exp(none - top);
    // Correlators give most candidates one of few values.
    float last = best.log_odds;
    double weight = std::exp(last - top);
    for (const WeighedCandidate& c : touched_) {
      if (c.log_odds != last) weight = std::exp((last = c.log_odds) - top);
      sum += weight;
    }
    if (n_silent > 1) sum += (n_silent - 1) * std::exp(-top);
    d.confidence = static_cast<float>(std::exp(best.log_odds - top) / sum);
  }
  d.evidence = best.evidence;
  if (d.n_candidates == 1) d.evidence |= WEFT_EVIDENCE_ONLY;
  if (fixed || (best.log_odds >= none && d.confidence >= min_confidence_)) d.parent = best.row;
  if (d.parent == WEFT_NONE) d.evidence = 0;
  if (touched_.size() > 1 || d.parent == WEFT_NONE) {
    weighed_.insert(weighed_.end(), leading, leading + shown);
    d.n_weighed = static_cast<uint32_t>(shown);
  }
  return d;
}

}  // namespace weft::stitch
