#include "plugins/correlator-delay/process_learner.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr int kRounds = 6;
constexpr int kCoarseRounds = 2;  // that see only the coarse contexts
constexpr float kMemory = 5000;   // requests
constexpr uint32_t kFadeEvery = 500;
constexpr float kSure = 0.99f;
constexpr int64_t kMillisecondNs = 1'000'000;

double Microseconds(int64_t ns) { return static_cast<double>(ns) * 1e-3; }

}  // namespace

void ProcessLearner::Decide(const weft_spans& view, const EarlierVoices& voices,
                            CallTracker& tracker) {
  history_.Take(view);
  // Thread ids are the chain's choice: a chain without a voice of threads decides without them.
  threads_ |= voices.OfThreads();
  tracker.set_threads(threads_, warm_);
  if (!quantum_known_) FindQuantum();
  if (!warm_ && SearchIsDue()) {
    Search(voices, tracker);
    return;
  }
  if (!warm_) {
    tracker.Run(history_, scratch_, states_, order_, voices, CallTracker::Mode::kDecide);
    return;
  }
  if (callees_in_states_ != history_.callees.size()) Refresh();
  tracker.Run(history_, model_, states_, order_, voices, CallTracker::Mode::kDecide);
}

// Searching again over everything is worth it when a tenth has come on top, when a callee is new,
// and once more at the end; so all searches together cost a few passes over the warm-up.
bool ProcessLearner::SearchIsDue() const {
  return callees_in_states_ != history_.callees.size() ||
         10 * history_.requests.size() >= 11 * searched_requests_ ||
         history_.requests.size() >= kWarmUp;
}

void ProcessLearner::Search(const EarlierVoices& voices, CallTracker& tracker) {
  searched_requests_ = history_.requests.size();
  callees_in_states_ = history_.callees.size();
  scratch_.set_quantum(model_.quantum());
  scratch_.Clear();
  scratch_.Rebuild(history_.callees.size());
  states_.Clear(scratch_, history_.callees.size());
  tracker.Run(history_, scratch_, states_, order_, voices, CallTracker::Mode::kAny);
  const int rounds = tracker.ambiguous() == 0 ? 1 : kRounds;  // nothing to settle by searching
  for (int round = 0; round < rounds; ++round) {
    scratch_.Clear();
    LearnRequests(scratch_, false);
    scratch_.set_detail(round < kCoarseRounds ? 1 : 3);
    scratch_.Rebuild(history_.callees.size());
    states_.Clear(scratch_, history_.callees.size());
    order_.Fade(round == 1 ? 0.0f : 0.5f);
    owners_before_.clear();
    for (const Call& c : history_.calls) owners_before_.push_back(c.owner);
    tracker.Run(history_, scratch_, states_, order_, voices, CallTracker::Mode::kSearch);
    const bool same = std::ranges::equal(history_.calls, owners_before_, {}, &Call::owner);
    if (same && round > kCoarseRounds) break;
  }
}

void ProcessLearner::Learned(const weft_links& links) {
  for (uint32_t i = 0; i < links.n; ++i) {
    if (links.child[i] >= history_.call_of_row.size()) continue;
    const uint32_t number = history_.call_of_row[links.child[i]];
    if (number == kNone) continue;
    Call& call = history_.calls[number];
    const uint32_t parent = links.parent[i];
    call.owner = parent == WEFT_NONE || parent >= history_.request_of_row.size()
                     ? kNone
                     : history_.request_of_row[parent];
    call.settled =
        warm_ || links.confidence[i] > kSure || (links.evidence[i] & WEFT_EVIDENCE_CONTEXT) != 0;
    if (warm_) model_.ObserveCall(call.callee, !call.contested);
  }
  if (warm_) {
    LearnFinished();
    return;
  }
  const auto finished =
      std::ranges::count_if(history_.requests, [this](const Request& r) { return Finished(r); });
  if (static_cast<size_t>(finished) < kWarmUp && history_.calls.size() < kWarmUpCalls) {
    history_.Settle([](const Request&) { return false; });
    return;
  }
  warm_ = true;
  for (Call& c : history_.calls) {
    c.settled = true;
    if (!c.ahead) model_.ObserveCall(c.callee, !c.contested);
  }
  LearnFinished();
  Refresh();
}

void ProcessLearner::LearnFinished() {
  LearnRequests(model_, true);
  history_.Settle([](const Request& r) { return r.row == kNone; });
  const auto known = static_cast<uint32_t>(model_.requests());
  if (since_refresh_ < std::clamp(known / 50, 10u, 200u)) return;
  if (since_fade_ >= kFadeEvery) {
    if (model_.requests() > kMemory / 5)
      model_.Scale(kMemory / (kMemory + static_cast<float>(since_fade_)));
    since_fade_ = 0;
  }
  Refresh();
}

// Counts what each request did, in order.
void ProcessLearner::LearnRequests(RequestModel& model, bool only_finished) {
  enum : uint32_t { kResponse, kCall, kInstantResponse, kEnd };
  steps_.clear();
  for (uint32_t r = 0; r < history_.requests.size(); ++r) {
    const Request& request = history_.requests[r];
    if (request.end_ns == 0 || (only_finished && !Finished(request))) continue;
    steps_.push_back({r, request.end_ns, kEnd, 0, 0});
    if (!only_finished) continue;
    const int64_t from = busy_until_ == INT64_MIN ? request.start_ns : busy_until_;
    model.ObserveTime(
        Microseconds(std::max<int64_t>(request.end_ns - std::max(request.start_ns, from), 0)),
        Microseconds(std::max<int64_t>(request.start_ns - from, 0)));
    busy_until_ = std::max(busy_until_, request.end_ns);
  }
  for (const Call& c : history_.calls) {
    if (c.owner == kNone) continue;
    const Request& owner = history_.requests[c.owner];
    if (only_finished && !Finished(owner)) continue;
    if (owner.end_ns != 0 && c.start_ns > owner.end_ns) continue;
    steps_.push_back({c.owner, c.start_ns, kCall, c.callee, c.end_ns});
    if (c.end_ns != 0 && (owner.end_ns == 0 || c.end_ns <= owner.end_ns))
      steps_.push_back(
          {c.owner, c.end_ns, c.end_ns > c.start_ns ? kResponse : kInstantResponse, c.callee, 0});
  }
  std::ranges::sort(steps_, [](const Step& a, const Step& b) {
    if (a.request != b.request) return a.request < b.request;
    if (a.at != b.at) return a.at < b.at;
    return a.what != b.what ? a.what < b.what : a.callee < b.callee;
  });
  uint32_t current = kNone;
  RequestState state;
  int64_t at = 0, end = 0, until = 0;
  for (const Step& step : steps_) {
    if (step.request != current) {
      current = step.request;
      state = Begun(history_.requests[current].operation);
      at = until = history_.requests[current].start_ns;
      end = history_.requests[current].end_ns;
      if (end != 0) model.ObserveRest(state, Microseconds(end - at));
    }
    const double gap = Microseconds(step.at - at);
    at = step.at;
    if (step.what == kCall) {
      model.Observe(state, step.callee, gap);
      AdvanceCall(state, step.callee);
      if (end == 0 || step.until == 0) continue;
      until = std::max(until, step.until);
      model.ObserveRest(state, Microseconds(end - until));
    } else if (step.what == kEnd) {
      model.Observe(state, kEnds, gap);
      model.ObserveRequest();
      if (only_finished) {
        ++since_refresh_;
        ++since_fade_;
      }
    } else {
      model.Observe(state, kResponds, gap);
      AdvanceResponse(state, step.callee);
    }
  }
}

void ProcessLearner::Refresh() {
  since_refresh_ = 0;
  callees_in_states_ = history_.callees.size();
  model_.Rebuild(callees_in_states_);
  states_.Clear(model_, callees_in_states_);
}

// Clocks that are rounded to milliseconds (others' recordings) get histograms of milliseconds.
void ProcessLearner::FindQuantum() {
  if (history_.calls.size() + history_.requests.size() < 8) return;
  quantum_known_ = true;
  for (const Request& r : history_.requests)
    if (r.start_ns % kMillisecondNs != 0) return;
  for (const Call& c : history_.calls)
    if (c.start_ns % kMillisecondNs != 0) return;
  model_.set_quantum(1000);
}

}  // namespace weft::plugins::delay
