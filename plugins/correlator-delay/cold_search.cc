#include "plugins/correlator-delay/cold_search.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr int kRounds = 6, kRoundsAgain = 2;
constexpr size_t kSample = 250;         // requests
constexpr double kUnowned = -20;        // log-likelihood of a call without a request
constexpr double kGrowth = 1.4;         // of the requests since the last search
constexpr double kGrowthSettled = 1.3;  // since all was last looked at

// Without those that are only looked at ahead.
double RequestsBehind(const ProcessHistory& history) {
  return static_cast<double>(
      std::ranges::count_if(history.requests, [](const Request& r) { return !r.ahead; }));
}

void Rebuild(const ColdSearch::Scene& s) {
  const uint32_t callees = s.history.callees.size();
  s.model.Rebuild(callees);
  s.states.Refresh(s.model, callees);
}

void Run(const ColdSearch::Scene& s, CallTracker::Mode mode, int64_t until = INT64_MAX) {
  s.tracker.Run(s.history, s.model, s.states, s.order, s.voices, mode, s.hypotheses, until);
}

}  // namespace

bool ColdSearch::IsDue(const ProcessHistory& history) const {
  return searched_callees_ != history.callees.size() ||
         RequestsBehind(history) >= kGrowth * searched_requests_;
}

void ColdSearch::Decide(const Scene& s) {
  if (s.states.callees() != s.history.callees.size())
    s.states.Clear(s.model, s.history.callees.size());
  s.tracker.NewHistory();
  if (IsDue(s.history)) {
    Search(s);
    counted_until_ = INT64_MIN;
  } else if (RequestsBehind(s.history) >= kGrowthSettled * settled_requests_) {
    SettleDown(s, false);
    counted_until_ = INT64_MIN;
  } else {
    CountBehind(s);
    Rebuild(s);
    Run(s, CallTracker::Mode::kDecide);
  }
  decided_until_ = s.history.decided_until;
}

void ColdSearch::Search(const Scene& s) {
  const bool first = searched_requests_ == 0;
  searched_requests_ = static_cast<uint32_t>(s.history.requests.size());
  searched_callees_ = s.history.callees.size();
  double likelihood = 0;
  if (!first) {
    SettleDown(s, false);
    if (s.tracker.ambiguous() == 0) return;
    likelihood = Likelihood(s);
    owners_.clear();
    for (const Call& c : s.history.calls) owners_.push_back(c.owner);
  }
  ChooseSample(s.history);
  Guess(s);
  SettleDown(s, true);
  sample_until_ = INT64_MAX;
  if (first || Likelihood(s) > likelihood) return;
  for (size_t c = 0; c < owners_.size(); ++c) s.history.calls[c].owner = owners_[c];
  Count(s);
  Rebuild(s);
  Run(s, CallTracker::Mode::kDecide);
}

// What that takes is let go of at once: it is much, and of no use any more.
void ColdSearch::Guess(const Scene& s) {
  s.model.Clear();
  Rebuild(s);
  Timeline timeline;
  timeline.Take(s.history, INT64_MIN, sample_until_, s.model.slack());
  FirstGuess().Run(s.history, timeline, s.model.bins(), s.model.slack());
}

void ColdSearch::SettleDown(const Scene& s, bool guessed) {
  settled_requests_ = static_cast<uint32_t>(s.history.requests.size());
  const int rounds = guessed ? kRounds : kRoundsAgain;
  for (int round = 0; round < rounds; ++round) {
    if (guessed || round > 0)
      Count(s);
    else
      CountBehind(s);
    SupposeStrays(s, round + 1 < rounds && !(guessed && round == 0));
    Rebuild(s);
    s.order.Fade(guessed && round == 1 ? 0.0f : 0.5f);
    owners_before_.clear();
    for (const Call& c : s.history.calls) owners_before_.push_back(c.owner);
    if (round + 1 == rounds) sample_until_ = INT64_MAX;
    Run(s, CallTracker::Mode::kSearch, sample_until_);
    if (round > 0 && std::ranges::equal(s.history.calls, owners_before_, {}, &Call::owner)) break;
  }
  if (sample_until_ == INT64_MAX) return;
  sample_until_ = INT64_MAX;
  Rebuild(s);
  Run(s, CallTracker::Mode::kSearch);
}

// Some calls may belong to no request; had each one to, those would teach that any call follows
// anything.
void ColdSearch::SupposeStrays(const Scene& s, bool any) {
  std::array<uint32_t, kOutcomes> calls{};
  int64_t from = INT64_MAX, until = INT64_MIN;
  for (const Request& r : s.history.requests) {
    from = std::min(from, r.start_ns);
    until = std::max(until, std::max(r.start_ns, r.end_ns));
  }
  if (any)
    for (const Call& c : s.history.calls) ++calls[c.callee];
  s.model.rates().Suppose(calls, from < until ? static_cast<double>(until - from) * 1e-3 : 1);
}

double ColdSearch::Likelihood(const Scene& s) {
  Count(s);
  Rebuild(s);
  double sum = 0;
  for (const Call& c : s.history.calls) sum += c.owner == kNone ? kUnowned : 0;
  for (size_t r = 0; r < s.history.requests.size(); ++r) {
    const Request& request = s.history.requests[r];
    sum += walk_.Likelihood({request.start_ns, request.end_ns, request.operation, 0}, calls_of_[r],
                            s.model, s.states);
  }
  return sum;
}

// The rounds go over the first of many requests only; what they teach is used on all.
void ColdSearch::ChooseSample(const ProcessHistory& history) {
  sample_until_ = INT64_MAX;
  if (history.requests.size() < 3 * kSample / 2) return;
  begins_.clear();
  for (const Request& r : history.requests) begins_.push_back(r.start_ns);
  std::ranges::nth_element(begins_, begins_.begin() + kSample);
  sample_until_ = begins_[kSample];
}

// Of those that did not end until then.
void ColdSearch::SortCalls(const ProcessHistory& history, int64_t until) {
  calls_of_.resize(std::max(calls_of_.size(), history.requests.size()));
  for (auto& calls : calls_of_) calls.clear();
  for (const Call& c : history.calls)
    if (c.owner != kNone &&
        (history.requests[c.owner].end_ns == 0 || history.requests[c.owner].end_ns > until))
      calls_of_[c.owner].push_back({c.start_ns, c.end_ns, c.callee});
}

// What the requests did that ended in earlier windows: all of their calls have been decided, and
// only a search looks at them again.
void ColdSearch::CountDecided(const Scene& s) {
  if (counted_until_ == INT64_MIN) s.model.Clear();
  SortCalls(s.history, counted_until_);
  for (size_t r = 0; r < s.history.requests.size(); ++r) {
    const Request& request = s.history.requests[r];
    if (request.end_ns == 0 || request.end_ns > decided_until_) continue;
    if (request.end_ns <= counted_until_) continue;
    walk_.Count({request.start_ns, request.end_ns, request.operation, 0}, calls_of_[r], false,
                s.model, s.states);
  }
  counted_until_ = decided_until_;
}

// A search has seen more than has been decided; soon it is the other way round. Where others speak,
// what was decided is worth more.
void ColdSearch::CountBehind(const Scene& s) {
  const auto decided = std::ranges::count_if(s.history.requests, [this](const Request& r) {
    return r.end_ns != 0 && r.end_ns <= decided_until_;
  });
  if (counted_until_ != INT64_MIN || s.voices.Any() ||
      static_cast<double>(decided) >= s.model.requests())
    CountDecided(s);
}

// What the requests did.
void ColdSearch::Count(const Scene& s) {
  s.model.Clear();
  counted_until_ = INT64_MIN;
  SortCalls(s.history);
  for (size_t r = 0; r < s.history.requests.size(); ++r) {
    const Request& request = s.history.requests[r];
    if (request.start_ns > sample_until_) continue;
    walk_.Count({request.start_ns, request.end_ns, request.operation, 0}, calls_of_[r], false,
                s.model, s.states);
  }
}

}  // namespace weft::plugins::delay
