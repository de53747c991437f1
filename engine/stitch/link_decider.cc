#include "engine/stitch/link_decider.h"

#include <algorithm>
#include <bit>
#include <cmath>

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
  // False: it is not among them.
  bool Add(const WeighedCandidate& c) {
    const bool full = n == LinkDecider::kMaxWeighed;
    if (full && !Better(c, at[n - 1])) return false;
    size_t i = full ? n - 1 : n++;
    for (; i > 0 && Better(c, at[i - 1]); --i) at[i] = at[i - 1];
    at[i] = c;
    return true;
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
  next_end_ = std::min(next_end_, end);
  const uint64_t call = OtherSide(view, server) & (own_calls_.size() * 64 - 1);
  own_calls_[call / 64] |= uint64_t{1} << call % 64;
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
    kept += open;
    next_end_ = std::min(next_end_, open ? end : INT64_MAX);
  }
  open_row_.resize(kept);
  open_end_.resize(kept);
}

void LinkDecider::Decide(const weft_spans& view, const weft_candidates& voices) {
  decisions_.clear();
  weighed_.clear();
  ignored_ = 0;
  GroupVoices(view, voices);
  open_row_.clear();
  open_end_.clear();
  next_end_ = INT64_MAX;
  own_calls_.assign(std::bit_ceil(size_t{view.n} / 4 + 1), 0);
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

// Of a row, among the open requests, which are in row order; `guess`: where it may well be.
size_t LinkDecider::PlaceOf(uint32_t row, size_t guess) const {
  if (guess < open_row_.size() && open_row_[guess] == row) return guess;
  const auto found = std::lower_bound(open_row_.begin(), open_row_.end(), row);
  if (found == open_row_.end() || *found != row) return kNowhere;
  return static_cast<size_t>(found - open_row_.begin());
}

double LinkDecider::AddUp(const weft_candidates& voices, uint32_t child) {
  if (total_.size() < open_row_.size()) {
    total_.resize(open_row_.size());
    said_.resize(open_row_.size());
  }
  double none = none_log_odds_;
  for (uint32_t r = first_run_[child]; r != WEFT_NONE; r = runs_[r].next) {
    size_t place = kNowhere;  // the next one follows, where a correlator names all
    for (uint32_t i = runs_[r].begin; i < runs_[r].end; ++i) {
      const uint32_t row = voices.candidate[i];
      const float says = voices.log_odds[i];
      if (!IsFinite(says)) {
        ++ignored_;
        continue;
      }
      if (row == WEFT_NONE) {
        none += says;
        continue;
      }
      place = PlaceOf(row, place + 1);
      if (place == kNowhere) {
        ++ignored_;
        continue;
      }
      if (said_[place] == 0) named_.push_back(place);
      total_[place] += says;
      said_[place] |= voices.evidence[i] | kVoiced;
    }
  }
  return none;
}

void LinkDecider::ForgetVoices() {
  for (const size_t k : named_) {
    total_[k] = 0;
    said_[k] = 0;
  }
  named_.clear();
}

// e^x. Differences of log-odds are few: correlators weigh by callee, for a whole window.
double LinkDecider::Exp(double x) {
  const auto key = std::bit_cast<uint64_t>(x);
  KnownExp& known = exps_[key * 0x9e3779b97f4a7c15ULL >> 60];
  if (known.key != key || known.exp == 0) known = {key, std::exp(x)};
  return known.exp;
}

// Of e^(log-odds - top) over all open requests, `silent` of which no voice has named, and "none".
double LinkDecider::Sum(double none, double top, size_t silent, size_t other_side) {
  double sum = Exp(none - top);
  if (silent != 0) sum += static_cast<double>(silent) * Exp(-top);
  float last = 0;
  size_t times = 0;  // correlators say the same of many
  const auto add_last = [&] {
    if (times != 0) sum += static_cast<double>(times) * Exp(last - top);
    times = 0;
  };
  for (const size_t k : named_) {
    if (k == other_side) continue;
    if (total_[k] != last) add_last();
    last = total_[k];
    ++times;
  }
  add_last();
  return sum;
}

// A process that calls itself over a connection has both sides of the exchange, and where its begin
// was not seen the request may seem older than the call. It cannot be its own cause: it would wait
// for its own trace.
size_t LinkDecider::PlaceOfOtherSide(const weft_spans& view, uint32_t child) const {
  const uint64_t call = view.span_id[child];
  const uint64_t bit = call & (own_calls_.size() * 64 - 1);
  if ((own_calls_[bit / 64] >> bit % 64 & 1) == 0) return kNowhere;
  for (size_t k = 0; k < open_row_.size(); ++k)
    if (OtherSide(view, open_row_[k]) == call) return k;
  return kNowhere;
}

LinkDecision LinkDecider::DecideOne(const weft_spans& view, const weft_candidates& voices,
                                    uint32_t child) {
  LinkDecision d;
  d.child = child;
  d.first_weighed = static_cast<uint32_t>(weighed_.size());
  const size_t other_side = PlaceOfOtherSide(view, child);
  d.n_candidates = static_cast<uint32_t>(open_row_.size()) - (other_side != kNowhere);
  const double none = AddUp(voices, child);
  if (d.n_candidates != 0) Weigh(none, other_side, &d);
  ForgetVoices();
  return d;
}

// Requires: there are candidates.
void LinkDecider::Weigh(double none, size_t other_side, LinkDecision* d) {
  Leading leading;
  size_t silent = d->n_candidates;
  bool fixed = false;
  for (const size_t k : named_) {
    if (k == other_side) continue;
    fixed |= (said_[k] & WEFT_EVIDENCE_CONTEXT) != 0;
    leading.Add({open_row_[k], total_[k], said_[k] & ~kVoiced});
    --silent;
  }
  // Those that no voice has named have a total of 0, and of equal ones the latest is the best.
  // Beside a fixed one, or where nobody spoke, only the latest of them counts.
  size_t room = fixed || leading.n == 0 ? 1 : kMaxWeighed;
  for (size_t k = open_row_.size(); k-- > 0 && room != 0;) {
    if (said_[k] != 0 || k == other_side) continue;
    if (!leading.Add({open_row_[k], 0, 0})) break;
    --room;
  }
  const WeighedCandidate& best = leading.at[0];
  if (fixed) {
    d->confidence = 1;
  } else {
    const double top = std::max<double>(best.log_odds, none);
    d->confidence =
        static_cast<float>(Exp(best.log_odds - top) / Sum(none, top, silent, other_side));
  }
  d->evidence = best.evidence;
  if (d->n_candidates == 1) d->evidence |= WEFT_EVIDENCE_ONLY;
  if (fixed || (best.log_odds >= none && d->confidence >= min_confidence_)) d->parent = best.row;
  if (d->parent == WEFT_NONE) d->evidence = 0;
  if (leading.n > 1 || d->parent == WEFT_NONE) {
    weighed_.insert(weighed_.end(), leading.at, leading.at + leading.n);
    d->n_weighed = static_cast<uint32_t>(leading.n);
  }
}

}  // namespace weft::stitch
