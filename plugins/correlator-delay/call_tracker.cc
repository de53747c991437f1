#include "plugins/correlator-delay/call_tracker.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weft::plugins::delay {
namespace {

// Order of events at one instant: a request begins before the calls it makes, a response comes before
// the next call, a request ends last.
enum What : uint32_t { kBegin, kResponse, kCall, kInstantResponse, kEnd };

constexpr float kVoiceLimit = 12.0f;
constexpr float kNotNested = -8.0f;       // ends before the call does: possible, but rarely the one
constexpr float kImpossible = -12.0f;     // log-probability below which gaps are not looked at
constexpr float kFixed = 100.0f;

double Microseconds(int64_t ns) { return static_cast<double>(ns) * 1e-3; }

}  // namespace

float QueueOrder::OvertakeFactor(uint32_t callee) const {
  constexpr float kPrior = 2.0f;
  constexpr float kStart = 0.3f;  // where nothing is known, order is more likely kept than not
  const Seen& s = seen[callee];
  const float seen_odds = (s.overtook + kStart * kPrior) / (s.in_order + kPrior);
  const float expected_odds = (s.expected_overtook + kPrior) / (s.expected_in_order + kPrior);
  return std::clamp(seen_odds / expected_odds, 0.003f, 3.0f);
}

void QueueOrder::Add(uint32_t callee, bool overtook, float expected_overtook) {
  Seen& s = seen[callee];
  (overtook ? s.overtook : s.in_order) += 1;
  s.expected_overtook += expected_overtook;
  s.expected_in_order += 1 - expected_overtook;
  if (s.overtook + s.in_order < 2000) return;
  for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order}) *f /= 2;
}

void QueueOrder::Fade(float factor) {
  for (Seen& s : seen)
    for (float* f : {&s.overtook, &s.in_order, &s.expected_overtook, &s.expected_in_order})
      *f *= factor;
}

void EarlierVoices::Take(const weft_candidates& list, uint32_t entries, uint32_t rows) {
  list_ = &list;
  if (entries == 0) {
    head_.clear();
    return;
  }
  head_.assign(rows, kNone);
  next_.assign(entries, kNone);
  for (uint32_t i = 0; i < entries; ++i) {
    if (list.child[i] >= rows) continue;
    next_[i] = head_[list.child[i]];
    head_[list.child[i]] = i;
  }
}

float EarlierVoices::For(uint32_t call_row, uint32_t request_row) const {
  float sum = 0;
  for (uint32_t i = head_[call_row]; i != kNone; i = next_[i]) {
    if (list_->candidate[i] != request_row) continue;
    sum += (list_->evidence[i] & WEFT_EVIDENCE_CONTEXT) != 0 ? kFixed : list_->log_odds[i];
  }
  return sum;
}

void CallTracker::BuildEvents(const ProcessHistory& history, int64_t until_ns) {
  events_.clear();
  for (uint32_t i = 0; i < history.requests.size(); ++i) {
    const Request& r = history.requests[i];
    if (r.start_ns > until_ns) continue;
    events_.push_back({r.start_ns, kBegin, i});
    if (r.end_ns != 0 && r.end_ns <= until_ns) events_.push_back({r.end_ns, kEnd, i});
  }
  for (uint32_t i = 0; i < history.calls.size(); ++i) {
    const Call& c = history.calls[i];
    if (c.start_ns > until_ns) continue;
    events_.push_back({c.start_ns, kCall, i});
    if (c.end_ns != 0 && c.end_ns <= until_ns)
      events_.push_back({c.end_ns, c.end_ns > c.start_ns ? kResponse : kInstantResponse, i});
  }
  std::ranges::sort(events_, [&](const Event& a, const Event& b) {
    if (a.at != b.at) return a.at < b.at;
    return a.what != b.what ? a.what < b.what : a.number < b.number;
  });
}

void CallTracker::Run(ProcessHistory& history, const RequestModel& model, RequestStates& states,
                      QueueOrder& order, const EarlierVoices& voices, Choice choice,
                      int64_t until_ns) {
  model_ = &model;
  states_ = &states;
  order_ = &order;
  voices_ = &voices;
  choice_ = choice;
  BuildEvents(history, until_ns);
  open_.clear();
  weighed_.clear();
  ambiguous_ = 0;
  position_.assign(history.requests.size(), kNone);
  busy_us_ = 0;
  int64_t before = 0;
  for (const Event& e : events_) {
    if (!open_.empty()) busy_us_ += Microseconds(e.at - before);
    before = e.at;
    switch (e.what) {
      case kBegin:
        position_[e.number] = static_cast<uint32_t>(open_.size());
        open_.push_back({e.number, states.Start(history.requests[e.number].operation), e.at});
        break;
      case kCall: Decide(history, e.number); break;
      case kEnd: Close(e.number); break;
      default: {
        const Call& c = history.calls[e.number];
        if (Track* track = TrackOf(c.owner); track != nullptr) {
          track->state = states.Answered(track->state, c.callee);
          track->at = e.at;
        }
      }
    }
  }
}

CallTracker::Track* CallTracker::TrackOf(uint32_t request) {
  if (request == kNone || position_[request] == kNone) return nullptr;
  return &open_[position_[request]];
}

void CallTracker::Close(uint32_t request) {
  const uint32_t at = position_[request];
  open_[at] = open_.back();
  position_[open_[at].request] = at;
  open_.pop_back();
  position_[request] = kNone;
}

void CallTracker::Decide(ProcessHistory& history, uint32_t number) {
  Call& call = history.calls[number];
  if (!call.settled) {
    FindCandidates(history, call);
    if (call.wanted && candidates_.size() > 1) ++ambiguous_;
    call.owner = kNone;
    if (choice_ == Choice::kAny) {
      call.owner = ChooseAny(call);
    } else if (!candidates_.empty()) {
      WeighOrder(call);
      const float background = model_->LogBackground(call.callee);
      const uint32_t best = ChooseBest(history, call, background);
      if (call.wanted) Report(number, background);
      if (best != kNone) {
        LearnOrder(call, best);
        call.owner = open_[candidates_[best].track].request;
      }
    }
  }
  if (Track* track = TrackOf(call.owner); track != nullptr) {
    track->state = states_->Called(track->state, call.callee);
    track->at = call.start_ns;
  }
}

void CallTracker::FindCandidates(const ProcessHistory& history, const Call& call) {
  candidates_.clear();
  for (uint32_t t = 0; t < open_.size(); ++t) {
    const int64_t end = history.requests[open_[t].request].end_ns;
    const bool nested = end == 0 || (end >= call.end_ns && end >= call.start_ns);
    candidates_.push_back({t, 0, nested});
    if (choice_ == Choice::kAny) continue;
    const Track& track = open_[t];
    const float p = states_->LogP(track.state, call.callee);
    float& value = candidates_.back().value;
    value = p + kImpossible;
    if (p < kImpossible) continue;
    const double gap = Microseconds(call.start_ns - track.at);
    const Label last = states_->last(track.state);
    value = p + model_->LogGap(last, call.callee, gap) - model_->LogSurvival(last, gap);
  }
}

// The requests that wait in the same place as candidate `i`.
CallTracker::Queue CallTracker::QueueOf(size_t i) const {
  Queue queue;
  const Label last = states_->last(open_[candidates_[i].track].state);
  int64_t oldest_at = INT64_MAX;
  uint32_t oldest_request = kNone;
  for (size_t j = 0; j < candidates_.size(); ++j) {
    const Track& track = open_[candidates_[j].track];
    if (states_->last(track.state) != last || !candidates_[j].nested) continue;
    ++queue.members;
    queue.hazard += hazard_[j];
    if (std::pair(track.at, track.request) >= std::pair(oldest_at, oldest_request)) continue;
    oldest_at = track.at;
    oldest_request = track.request;
    queue.oldest = j;
  }
  return queue;
}

// Among requests that wait in the same place, the one that waits longest goes first by a learned
// factor. Normalised within the group, so it can help only where it is true.
void CallTracker::WeighOrder(const Call& call) {
  float top = -INFINITY;
  for (const Candidate& c : candidates_) top = std::max(top, c.value);
  hazard_.clear();
  for (const Candidate& c : candidates_) hazard_.push_back(std::exp(c.value - top));
  if (candidates_.size() < 2) return;
  const float factor = order_->OvertakeFactor(call.callee);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const Queue queue = QueueOf(i);
    if (queue.members < 2 || queue.hazard < 1e-20f) continue;
    const float oldest = hazard_[queue.oldest];
    const float norm = queue.hazard / (oldest + factor * (queue.hazard - oldest));
    candidates_[i].value += std::log(std::max(queue.oldest == i ? norm : norm * factor, 1e-9f));
  }
}

void CallTracker::LearnOrder(const Call& call, uint32_t best) {
  const Queue queue = QueueOf(best);
  if (queue.members < 2 || queue.hazard < 1e-20f || !candidates_[best].nested) return;
  order_->Add(call.callee, queue.oldest != best, 1.0f - hazard_[queue.oldest] / queue.hazard);
}

uint32_t CallTracker::ChooseAny(const Call& call) const {
  uint32_t n = 0;
  for (const Candidate& c : candidates_) n += c.nested ? 1 : 0;
  if (n == 0) return kNone;
  uint32_t pick = static_cast<uint32_t>(Mix(call.exchange) % n);
  for (const Candidate& c : candidates_)
    if (c.nested && pick-- == 0) return open_[c.track].request;
  return kNone;
}

uint32_t CallTracker::ChooseBest(const ProcessHistory& history, const Call& call,
                                 float background) const {
  const bool spoken = call.wanted && voices_->Has(call.row);
  const auto voice = [&](uint32_t row) { return spoken ? voices_->For(call.row, row) : 0.0f; };
  bool any_nested = false;
  for (const Candidate& c : candidates_) any_nested |= c.nested;
  uint32_t best = kNone;
  float best_value = background + voice(WEFT_NONE);
  int64_t best_start = INT64_MIN;
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& c = candidates_[i];
    const Request& r = history.requests[open_[c.track].request];
    const float value = c.value + (any_nested && !c.nested ? kNotNested : 0) + voice(r.row);
    if (value < best_value || (value == best_value && r.start_ns < best_start)) continue;
    best = i;
    best_value = value;
    best_start = r.start_ns;
  }
  return best;
}

// Posterior under timing alone, as log-odds against the even chance of any open request.
void CallTracker::Report(uint32_t number, float background) {
  bool any_nested = false;
  for (const Candidate& c : candidates_) any_nested |= c.nested;
  const auto value = [&](const Candidate& c) {
    return c.value + (any_nested && !c.nested ? kNotNested : 0);
  };
  float top = background;
  for (const Candidate& c : candidates_) top = std::max(top, value(c));
  double sum = std::exp(static_cast<double>(background - top));
  for (const Candidate& c : candidates_) sum += std::exp(static_cast<double>(value(c) - top));
  const float even = static_cast<float>(std::log(static_cast<double>(candidates_.size()) / sum)) - top;
  const bool only = candidates_.size() == 1;
  for (const Candidate& c : candidates_)
    weighed_.push_back({number, open_[c.track].request,
                        std::clamp(value(c) + even, -kVoiceLimit, kVoiceLimit), only});
  weighed_.push_back({number, kNone, std::clamp(background + even, -kVoiceLimit, kVoiceLimit), only});
}

}  // namespace weft::plugins::delay
