#include "plugins/correlator-delay/process_learner.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr float kMemory = 5000;  // requests
constexpr uint32_t kFadeEvery = 500;
constexpr float kSure = 0.99f;
constexpr size_t kMostWaitingCalls = 1'500;
constexpr int64_t kMicrosecondNs = 1'000;
constexpr float kLeast = 1e-5f, kLeastBesideThreads = 1e-6f;
constexpr int64_t kSlackNs = 100'000;  // what a busy thread may wait between reading and noting
constexpr int64_t kMillisecondNs = 1'000'000;
// A process may use a quarter of a core: about so many candidates and hypotheses per ns.
constexpr double kAllowedEffort = 5e-3;
constexpr uint32_t kSlowest = 3;

double Microseconds(int64_t ns) { return static_cast<double>(ns) * 1e-3; }

}  // namespace

void ProcessLearner::Decide(const weft_spans& view, const EarlierVoices& voices,
                            CallTracker& tracker, size_t hypotheses) {
  history_.Take(view);
  // Thread ids are the chain's choice: a chain without a voice of threads decides without them.
  const bool first_threads = !threads_ && voices.OfThreads();
  threads_ |= first_threads;
  tracker.set_threads(threads_, warm_);
  // Threads tell more than times that may be late, and could make too much of unlikely steps.
  model_.set_slack(threads_ ? 0 : kSlackNs);
  model_.set_least(threads_ ? kLeastBesideThreads : kLeast);
  if (first_threads) {
    states_.Clear(model_, refreshed_callees_);
    search_.Recount(model_);
  }
  if (!quantum_known_) FindQuantum();
  const size_t keep = KeepOf(hypotheses);
  if (!warm_) {
    search_.Decide({history_, model_, states_, order_, voices, tracker, keep});
    return;
  }
  if (refreshed_callees_ != history_.callees.size())
    Refresh();
  else if (states_.crowded())
    states_.Clear(model_, refreshed_callees_);
  tracker.Run(history_, model_, states_, order_, voices, CallTracker::Mode::kDecide, keep);
  NoteEffort(tracker.effort());
}

// Effort is counted, not timed: the same windows are decided alike everywhere.
size_t ProcessLearner::KeepOf(size_t hypotheses) const {
  return std::max<size_t>(hypotheses >> slower_, 1);
}

void ProcessLearner::NoteEffort(uint64_t effort) {
  const int64_t until = history_.decided_until;
  int64_t time = 500 * kMillisecondNs;
  if (effort_until_ != INT64_MIN)
    time = std::clamp(until - effort_until_, 10 * kMillisecondNs, 1000 * kMillisecondNs);
  effort_until_ = std::max(effort_until_, until);
  const double load = static_cast<double>(effort) / (static_cast<double>(time) * kAllowedEffort);
  if (load > 1 && slower_ < kSlowest)
    ++slower_;
  else if (load < 0.25 && slower_ > 0)
    --slower_;
}

void ProcessLearner::Attribute(const weft_links& links) {
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
    model_.rates().ObserveCall(call.callee, !call.contested, call.stray && call.owner == kNone);
  }
}

bool ProcessLearner::WarmedUp() const {
  const auto finished = std::ranges::count_if(
      history_.requests, [this](const Request& r) { return history_.Finished(r); });
  const auto behind = [](const auto& span) { return !span.ahead; };
  const auto spans = std::ranges::count_if(history_.requests, behind) +
                     std::ranges::count_if(history_.calls, behind);
  return static_cast<size_t>(finished) >= kWarmUp || static_cast<size_t>(spans) >= kWarmUpSpans;
}

void ProcessLearner::Learned(const weft_links& links) {
  Attribute(links);
  const bool warms = !warm_ && WarmedUp();
  if (!warm_ && !warms) {
    TimeHistory();
    history_.Settle([](const Request&) { return false; });
    return;
  }
  if (warms) {
    warm_ = true;
    model_.Clear();
    model_.rates().SetTime(0, 0);
    for (Call& c : history_.calls) c.settled = true;
  }
  QueueFinished();
  const auto known = static_cast<uint32_t>(model_.requests());
  if (!warms && waiting_.size() < std::clamp(known / 50, 10u, 200u) &&
      waiting_calls_.size() < kMostWaitingCalls)
    return;
  CountWaiting();
  Refresh();
}

// Moves requests that have ended into the queue of those to be counted, and lets go of what is
// over.
void ProcessLearner::QueueFinished() {
  calls_of_.resize(std::max(calls_of_.size(), history_.requests.size()));
  for (auto& calls : calls_of_) calls.clear();
  for (const Call& c : history_.calls)
    if (c.owner != kNone && !c.ahead && history_.Finished(history_.requests[c.owner]))
      calls_of_[c.owner].push_back({c.start_ns, c.end_ns, c.callee});
  for (size_t r = 0; r < history_.requests.size(); ++r) {
    const Request& request = history_.requests[r];
    if (request.ahead || !history_.Finished(request)) continue;
    CountBusy(request);
    waiting_.push_back({request.start_ns, request.end_ns, request.operation,
                        static_cast<uint32_t>(calls_of_[r].size())});
    waiting_calls_.insert(waiting_calls_.end(), calls_of_[r].begin(), calls_of_[r].end());
  }
  history_.Settle([this](const Request& r) { return history_.Finished(r) || r.row == kNone; });
  Bound();
}

// More than can be saved is not held: what was open for longest is taken from the view again.
void ProcessLearner::Bound() {
  if (history_.requests.size() + history_.calls.size() <= kMaxHeld) return;
  std::vector<int64_t> starts;
  for (const Request& r : history_.requests) starts.push_back(r.start_ns);
  for (const Call& c : history_.calls) starts.push_back(history_.requests[c.owner].start_ns);
  const auto cut = starts.end() - static_cast<ptrdiff_t>(kMaxHeld / 2);
  std::ranges::nth_element(starts, cut);
  history_.Settle([limit = *cut](const Request& r) { return r.start_ns <= limit; });
}

// While everything is kept: the time with and without open requests so far.
void ProcessLearner::TimeHistory() {
  std::vector<std::pair<int64_t, int64_t>> spans;
  for (const Request& r : history_.requests)
    if (!r.ahead && history_.Finished(r)) spans.emplace_back(r.start_ns, r.end_ns);
  if (spans.empty()) return;
  std::ranges::sort(spans);
  const int64_t from = spans[0].first;
  int64_t busy = 0, until = from;
  for (const auto& [start, end] : spans) {
    busy += std::max<int64_t>(end - std::max(start, until), 0);
    until = std::max(until, end);
  }
  model_.rates().SetTime(Microseconds(busy), Microseconds(until - from - busy));
}

void ProcessLearner::CountBusy(const Request& request) {
  const int64_t from = busy_until_ == INT64_MIN ? request.start_ns : busy_until_;
  model_.rates().ObserveTime(
      Microseconds(std::max<int64_t>(request.end_ns - std::max(request.start_ns, from), 0)),
      Microseconds(std::max<int64_t>(request.start_ns - from, 0)));
  busy_until_ = std::max(busy_until_, request.end_ns);
}

void ProcessLearner::CountWaiting() {
  const DoneCall* calls = waiting_calls_.data();
  for (const DoneRequest& request : waiting_) {
    walk_.Count(request, {calls, request.calls}, true, model_, states_);
    calls += request.calls;
  }
  since_fade_ += static_cast<uint32_t>(waiting_.size());
  waiting_.clear();
  waiting_calls_.clear();
  if (since_fade_ < kFadeEvery) return;
  if (model_.requests() > static_cast<double>(kMemory) / 5)
    model_.Scale(kMemory / (kMemory + static_cast<float>(since_fade_)));
  since_fade_ = 0;
}

void ProcessLearner::Refresh() {
  refreshed_callees_ = history_.callees.size();
  model_.Rebuild(refreshed_callees_);
  states_.Refresh(model_, refreshed_callees_);
}

// Clocks that are rounded to milliseconds (others' recordings) get histograms of milliseconds.
void ProcessLearner::FindQuantum() {
  if (history_.calls.size() + history_.requests.size() < 8) return;
  quantum_known_ = true;
  const auto coarse = [](const auto& span) { return span.start_ns % kMillisecondNs == 0; };
  const bool rounded =
      std::ranges::all_of(history_.requests, coarse) && std::ranges::all_of(history_.calls, coarse);
  model_.set_quantum(rounded ? kMillisecondNs : kMicrosecondNs);
}

}  // namespace weft::plugins::delay
