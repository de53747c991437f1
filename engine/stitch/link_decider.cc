#include "engine/stitch/link_decider.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/api/ids.h"

namespace weft::stitch {
namespace {

constexpr uint32_t kVoiced = 1u << 31;
constexpr uint32_t kNotFinite = 0x7f800000u;  // the exponent of what is no number, of a float
constexpr size_t kNowhere = SIZE_MAX;

bool IsServer(const weft_spans& v, uint32_t row) {
  return v.kind[row] == WEFT_KIND_SERVER || v.kind[row] == WEFT_KIND_CONSUMER;
}

// The span id of the call that the request is the other side of.
uint64_t OtherSide(const weft_spans& v, uint32_t server) {
  const uint64_t wire_id = api::WireIdOf(v.span_id[server], api::Side::kServer);
  return api::SpanId(wire_id, api::Side::kClient);
}

bool IsFinite(float x) { return (std::bit_cast<uint32_t>(x) & kNotFinite) != kNotFinite; }

bool Better(const WeighedCandidate& a, const WeighedCandidate& b) {
  const bool fixed_a = a.evidence & WEFT_EVIDENCE_CONTEXT;
  const bool fixed_b = b.evidence & WEFT_EVIDENCE_CONTEXT;
  if (fixed_a != fixed_b) return fixed_a;
  if (a.log_odds != b.log_odds) return a.log_odds > b.log_odds;
  return a.row > b.row;
}

// The few best, in order.
struct Leading {
  WeighedCandidate at[LinkDecider::kMaxWeighed];
  size_t n = 0;
  void Add(const WeighedCandidate& c) {
    size_t i = n < LinkDecider::kMaxWeighed ? n++ : n - 1;
    for (; i > 0 && Better(c, at[i - 1]); --i) at[i] = at[i - 1];
    at[i] = c;
  }
};

}  // namespace

void LinkDecider::GroupVoices(const weft_spans& view, const weft_candidates& voices) {
  first_run_.assign(view.n, WEFT_NONE);
  runs_.clear();
  for (uint32_t i = 0; i < voices.n;) {
    const uint32_t child = voices.child[i];
    const uint32_t begin = i;
    while (i < voices.n && voices.child[i] == child) ++i;
    if (child >= view.n || view.role[child] != WEFT_ROLE_DECIDE || IsServer(view, child)) {
      ignored_ += i - begin;
    } else {
      runs_.push_back({begin, i, WEFT_NONE});
    }
  }
  for (uint32_t r = static_cast<uint32_t>(runs_.size()); r-- > 0;) {
    uint32_t& first = first_run_[voices.child[runs_[r].begin]];
    runs_[r].next = first;
    first = r;
  }
}

void LinkDecider::Open(const weft_spans& view, uint32_t server) {
  const int64_t end = view.end_ns[server] == 0 ? INT64_MAX : view.end_ns[server];
  open_row_.push_back(server);
  open_end_.push_back(end);
  open_call_.push_back(static_cast<uint32_t>(OtherSide(view, server)));
  next_end_ = std::min(next_end_, end);
}

// Requests that had ended before `now` are no candidates any more.
void LinkDecider::CloseBefore(int64_t now) {
  if (next_end_ >= now) return;
  size_t kept = 0;
  next_end_ = INT64_MAX;
  for (size_t k = 0; k < open_row_.size(); ++k) {
    const int64_t end = open_end_[k];
    const bool open = end >= now;
    open_row_[kept] = open_row_[k];
    open_end_[kept] = end;
    open_call_[kept] = open_call_[k];
    kept += open;
    next_end_ = std::min(next_end_, open ? end : INT64_MAX);
  }
  open_row_.resize(kept);
  open_end_.resize(kept);
  open_call_.resize(kept);
}

void LinkDecider::Decide(const weft_spans& view, const weft_candidates& voices) {
  decisions_.clear();
  weighed_.clear();
  ignored_ = 0;
  GroupVoices(view, voices);
  open_row_.clear();
  open_end_.clear();
  open_call_.clear();
  next_end_ = INT64_MAX;
  for (uint32_t row = 0; row < view.n;) {
    // A request that begins in the same nanosecond counts as open whatever the row order.
    const int64_t now = view.start_ns[row];
    uint32_t end = row;
    for (; end < view.n && view.start_ns[end] == now; ++end)
      if (IsServer(view, end)) Open(view, end);
    for (; row < end; ++row) {
      if (view.role[row] != WEFT_ROLE_DECIDE || IsServer(view, row)) continue;
      CloseBefore(now);
      decisions_.push_back(DecideOne(view, voices, row));
    }
  }
}

// A correlator that says something of every open request, in their order: nothing to look up.
template <bool first>
bool LinkDecider::AddWholeRun(const weft_candidates& voices, const Run& run, uint32_t* bits) {
  const size_t n = run.end - run.begin;
  if (n != open_row_.size() ||
      std::memcmp(voices.candidate + run.begin, open_row_.data(), n * sizeof(uint32_t)) != 0)
    return false;
  const float* const says = voices.log_odds + run.begin;
  const uint32_t* const evidence = voices.evidence + run.begin;
  // Loops that the compiler turns into vector instructions: most of a call's cost is here.
  uint32_t odd = 0;
  for (size_t k = 0; k < n; ++k)
    odd |= (std::bit_cast<uint32_t>(says[k]) & kNotFinite) == kNotFinite ? 1u : 0u;
  if (odd != 0) return false;
  if (first) total_.resize(n);
  if (first) said_.resize(n);
  float* const total = total_.data();
  uint32_t* const said = said_.data();
  uint32_t all = 0;
  for (size_t k = 0; k < n; ++k) total[k] = first ? says[k] : total[k] + says[k];
  for (size_t k = 0; k < n; ++k) {
    said[k] = (first ? 0 : said[k]) | evidence[k] | kVoiced;
    all |= evidence[k];
  }
  *bits |= all;
  all_voiced_ = true;
  return true;
}

// Its place among the open requests, which are in row order.
size_t LinkDecider::PlaceOf(uint32_t row) const {
  const auto found = std::lower_bound(open_row_.begin(), open_row_.end(), row);
  if (found == open_row_.end() || *found != row) return kNowhere;
  return static_cast<size_t>(found - open_row_.begin());
}

double LinkDecider::AddUp(const weft_candidates& voices, uint32_t child) {
  all_voiced_ = false;
  double none = none_log_odds_;
  uint32_t bits = 0;
  uint32_t r = first_run_[child];
  if (r != WEFT_NONE && AddWholeRun<true>(voices, runs_[r], &bits)) {
    r = runs_[r].next;
  } else {
    total_.assign(open_row_.size(), 0);
    said_.assign(open_row_.size(), 0);
  }
  for (; r != WEFT_NONE; r = runs_[r].next) {
    if (AddWholeRun<false>(voices, runs_[r], &bits)) continue;
    for (uint32_t i = runs_[r].begin; i < runs_[r].end; ++i) {
      const uint32_t row = voices.candidate[i];
      const float says = voices.log_odds[i];
      if (row == WEFT_NONE) {
        none += says;
        continue;
      }
      const size_t place = PlaceOf(row);
      if (place == kNowhere || !IsFinite(says)) {
        ++ignored_;
        continue;
      }
      total_[place] += says;
      said_[place] |= voices.evidence[i] | kVoiced;
      bits |= voices.evidence[i];
    }
  }
  any_fixed_ = (bits & WEFT_EVIDENCE_CONTEXT) != 0;
  return none;
}

// e^x. Differences of log-odds are few: correlators weigh by callee, for a whole window.
double LinkDecider::Exp(double x) {
  const auto key = std::bit_cast<uint64_t>(x);
  KnownExp& known = exps_[key * 0x9e3779b97f4a7c15ULL >> 60];
  if (known.key != key || known.exp == 0) known = {key, std::exp(x)};
  return known.exp;
}

// Of e^(log-odds - top) over all open requests and "none".
double LinkDecider::Sum(double none, double top) {
  double sum = Exp(none - top);
  // Correlators give most candidates one of few values, nearly all the same one: those are counted
  // by vector instructions.
  const size_t n = total_.size();
  const float usual = total_[n / 2];
  uint32_t usuals = 0;
  for (size_t k = 0; k < n; ++k) usuals += total_[k] == usual ? 1u : 0u;
  sum += usuals * Exp(usual - top);
  size_t others = n - usuals;
  float last = 0;
  size_t times = 0;
  for (size_t k = 0; others != 0; ++k) {
    const float total = total_[k];
    if (total == usual) continue;
    --others;
    if (total == last) {
      ++times;
      continue;
    }
    if (times != 0) sum += static_cast<double>(times) * Exp(last - top);
    last = total;
    times = 1;
  }
  if (times != 0) sum += static_cast<double>(times) * Exp(last - top);
  return sum;
}

// A process that calls itself over a connection has both sides of the exchange, and where its begin
// was not seen the request may seem older than the call. It cannot be its own cause: it would wait
// for its own trace.
size_t LinkDecider::PlaceOfOtherSide(const weft_spans& view, uint32_t child) const {
  const auto known = static_cast<uint32_t>(view.span_id[child]);
  uint32_t maybe = 0;
  for (const uint32_t low : open_call_) maybe |= low == known ? 1u : 0u;
  if (maybe == 0) return kNowhere;
  for (size_t k = 0; k < open_row_.size(); ++k)
    if (OtherSide(view, open_row_[k]) == view.span_id[child]) return k;
  return kNowhere;
}

LinkDecision LinkDecider::DecideOne(const weft_spans& view, const weft_candidates& voices,
                                    uint32_t child) {
  LinkDecision d;
  d.child = child;
  d.first_weighed = static_cast<uint32_t>(weighed_.size());
  d.n_candidates = static_cast<uint32_t>(open_row_.size());
  const double none = AddUp(voices, child);
  const size_t other_side = PlaceOfOtherSide(view, child);
  if (other_side != kNowhere) {
    total_[other_side] = -std::numeric_limits<float>::infinity();
    --d.n_candidates;
  }
  if (d.n_candidates == 0) return d;

  // Of those that no voice has named only the latest counts, with a total of 0. From the back,
  // because of equal ones the latest is the best: most others are turned away by one comparison.
  Leading leading;
  float worst = -std::numeric_limits<float>::infinity();
  size_t silent = kNowhere;
  size_t touched = 0;
  const bool plain = all_voiced_ && !any_fixed_ && other_side == kNowhere;
  for (size_t k = open_row_.size(); k-- > 0;) {
    if (plain && leading.n == kMaxWeighed) {
      while (total_[k] <= worst && k != 0) --k;
    }
    if (k == other_side) continue;
    if ((said_[k] & kVoiced) == 0) {
      if (silent != kNowhere) continue;
      silent = k;
    }
    ++touched;
    if (leading.n == kMaxWeighed && total_[k] <= worst && !any_fixed_) continue;
    const WeighedCandidate c{open_row_[k], total_[k], said_[k] & ~kVoiced};
    if (leading.n == kMaxWeighed && !Better(c, leading.at[kMaxWeighed - 1])) continue;
    leading.Add(c);
    worst = leading.at[leading.n - 1].log_odds;
  }
  const WeighedCandidate& best = leading.at[0];
  const bool fixed = best.evidence & WEFT_EVIDENCE_CONTEXT;
  if (fixed) {
    d.confidence = 1;
  } else {
    const double top = std::max<double>(best.log_odds, none);
    d.confidence = static_cast<float>(Exp(best.log_odds - top) / Sum(none, top));
  }
  d.evidence = best.evidence;
  if (d.n_candidates == 1) d.evidence |= WEFT_EVIDENCE_ONLY;
  if (fixed || (best.log_odds >= none && d.confidence >= min_confidence_)) d.parent = best.row;
  if (d.parent == WEFT_NONE) d.evidence = 0;
  if (touched > 1 || d.parent == WEFT_NONE) {
    weighed_.insert(weighed_.end(), leading.at, leading.at + leading.n);
    d.n_weighed = static_cast<uint32_t>(leading.n);
  }
  return d;
}

}  // namespace weft::stitch
