// The weighing half of CallTracker: what speaks for each open request when a call begins or a
// request ends, and what is left to be found out.
#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "plugins/correlator-delay/call_tracker.h"

namespace weft::plugins::delay {
namespace {

constexpr float kVoiceLimit = 12.0f;
constexpr float kNotNested = -8.0f;    // ends before the call does: possible, but rarely the one
constexpr float kImpossible = -12.0f;  // log-probability below which gaps are not looked at
constexpr float kPlausible = 8.0f;     // nats behind the best
constexpr size_t kMaxPlausible = 6;
// Where many wait, who was served is mostly what the hazards say: learning an order from that would
// confirm whatever is believed. So it is learned where few wait, and kept for where many do.
constexpr size_t kMaxLearnQueue = 3;
constexpr float kBlocks = 10.0f;  // an older one stands in the way unless so much less due
constexpr float kDue = 1e-5f;     // of the hazard of the one that is most due

double Microseconds(int64_t ns) { return static_cast<double>(ns) * 1e-3; }

}  // namespace

// Whose turn it was to end is evidence too: the owner is known, so a hypothesis in which the
// request overtook others is the less likely one.
void CallTracker::WeighEnd(uint32_t request, int64_t at) {
  if (open_.size() > kMaxOpen) return;
  const Place& place = history_->requests[request].end_place;
  candidates_.clear();
  for (uint32_t i = 0; i < open_.size(); ++i) {
    const Track& track = open_[i];
    candidates_.push_back({i, track.track, 0, 0, 0, true, 0});
    Candidate& candidate = candidates_.back();
    if (track.cluster != kNone) {
      const Cluster& cluster = clusters_[track.cluster];
      candidate.track = cluster.hypotheses()[0].tracks[cluster.MemberOf(track.request)];
    }
    candidate.hazard = HazardOf(candidate.track, kEnds, at);
  }
  SetRelativeHazards();
  const uint32_t mine = position_[request];
  const bool in_window = at >= history_->window_begin && at <= history_->window_end;
  if (mode_ == Mode::kSearch || in_window) {
    LearnOrder(kEnds, mine);
    LearnStands(kEnds, place, mine);
  }
  const uint32_t number = open_[mine].cluster;
  if (number == kNone) return;
  const Cluster& cluster = clusters_[number];
  const float top = candidates_[mine].hazard;
  end_bonus_.clear();
  for (const Hypothesis& h : cluster.hypotheses()) {
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (open_[i].cluster == number)
        candidates_[i].track = h.tracks[cluster.MemberOf(open_[i].request)];
      relative_hazard_[i] =
          std::exp(std::min(HazardOf(candidates_[i].track, kEnds, at) - top, 60.0f));
    }
    WeighOrder(kEnds);
    end_bonus_.push_back(order_bonus_[mine] + Continuity(mine, kEnds, place));
  }
}

// How candidate `i` stands to an output, as far as threads tell.
Stand CallTracker::StandOf(size_t i, const Place& output) const {
  const TrackState& mine = candidates_[i].track;
  if (!threads_ || mine.place == nullptr) return {};
  Stand stand{states_->last(mine.state),
              Microseconds(output.at - mine.at),
              RelationOf(*mine.place, output),
              Turn::kAlone,
              mine.place->thread,
              output.thread};
  if (stand.relation == Relation::kUnknown) return stand;
  for (const Candidate& c : candidates_) {
    if (&c == &candidates_[i] || states_->last(c.track.state) != stand.last || !c.nested ||
        c.track.place->thread != mine.place->thread)
      continue;
    if (c.track.at < mine.at) {
      stand.turn = Turn::kBehind;
      break;
    }
    stand.turn = Turn::kFirst;
  }
  return stand;
}

float CallTracker::Continuity(size_t i, Outcome outcome, const Place& output) const {
  return threads_ && believe_threads_ ? order_->continuity.LogRatio(outcome, StandOf(i, output))
                                      : 0;
}

void CallTracker::LearnStands(Outcome outcome, const Place& output, size_t owner) {
  for (size_t i = 0; threads_ && i < candidates_.size(); ++i)
    order_->continuity.Observe(outcome, StandOf(i, output), i == owner);
}

float CallTracker::HazardOf(const TrackState& track, Outcome outcome, int64_t at) {
  const float p = states_->LogP(track.state, outcome);
  if (p < kImpossible) return p + kImpossible;
  const double gap = Microseconds(at - track.at);
  const Label last = states_->last(track.state);
  return p + model_->LogGap(last, outcome, gap) - model_->LogSurvival(last, gap);
}

// What the known end of a request says about its taking the call.
float CallTracker::RestGain(const TrackState& track, const Call& call) {
  if (track.end == 0 || states_->LogP(track.state, call.callee) < kImpossible) return 0;
  TrackState after = track;
  after.Take(call, *model_, *states_);
  return after.rest - track.rest;
}

void CallTracker::SetRelativeHazards() {
  float top = -INFINITY;
  for (const Candidate& c : candidates_) top = std::max(top, c.hazard);
  relative_hazard_.clear();
  for (const Candidate& c : candidates_) relative_hazard_.push_back(std::exp(c.hazard - top));
}

void CallTracker::FindCandidates(const Call& call) {
  candidates_.clear();
  for (uint32_t i = 0; i < open_.size(); ++i) {
    const Track& track = open_[i];
    const int64_t end = history_->requests[track.request].end_ns;
    const bool nested = end == 0 || (end >= call.end_ns && end >= call.start_ns);
    candidates_.push_back({i, track.track, 0, 0, 0, nested, 0});
    if (mode_ == Mode::kAny) continue;
    Candidate& candidate = candidates_.back();
    if (track.cluster == kNone) {
      candidate.hazard = HazardOf(track.track, call.callee, call.start_ns);
      candidate.rest = RestGain(track.track, call);
      continue;
    }
    const Cluster& cluster = clusters_[track.cluster];
    const uint32_t member = cluster.MemberOf(track.request);
    const auto& hypotheses = cluster.hypotheses();
    candidate.track = hypotheses[0].tracks[member];
    candidate.hazard = -INFINITY;
    for (const Hypothesis& h : hypotheses) {
      const float rest = RestGain(h.tracks[member], call);
      const float hazard =
          h.total - hypotheses[0].total + HazardOf(h.tracks[member], call.callee, call.start_ns);
      if (hazard + rest <= candidate.hazard + candidate.rest) continue;
      candidate.hazard = hazard;
      candidate.rest = rest;
    }
  }
}

// The queues of those that are due at all.
void CallTracker::FindQueues() {
  queues_.clear();
  float top = 1e-20f;
  for (size_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].nested) top = std::max(top, relative_hazard_[i]);
  due_ = kDue * top;
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    if (!IsDue(i)) continue;
    const Label last = states_->last(candidates_[i].track.state);
    auto queue = std::ranges::find(queues_, last, &Queue::last);
    if (queue == queues_.end()) queue = queues_.insert(queue, {last, 0, i, 0});
    ++queue->members;
    queue->hazard += relative_hazard_[i];
    if (Older(i, queue->oldest)) queue->oldest = i;
  }
}

bool CallTracker::Older(size_t i, size_t j) const {
  const auto age = [&](size_t c) {
    return std::pair(candidates_[c].track.at, open_[candidates_[c].open].request);
  };
  return age(i) < age(j);
}

void CallTracker::AddBonuses(const Call& call) {
  bool any_nested = false;
  for (const Candidate& c : candidates_) any_nested |= c.nested;
  SetRelativeHazards();
  if (candidates_.size() > 1) WeighOrder(call.callee);
  const bool spoken = call.wanted && voices_->About(call.row);
  for (size_t i = 0; i < candidates_.size(); ++i) {
    Candidate& c = candidates_[i];
    if (any_nested && !c.nested) c.bonus += kNotNested;
    if (spoken) c.bonus += voices_->Sum(call.row, history_->requests[open_[c.open].request].row);
    if (candidates_.size() > 1) c.order = order_bonus_[i];
    c.order += Continuity(i, call.callee, call.begin_place);
  }
}

// How much of its hazard is left to candidate `i` where older ones go first.
float CallTracker::ShareInTurn(size_t i, Outcome outcome) const {
  const Label last = states_->last(candidates_[i].track.state);
  float share = 1;
  for (const Queue& queue : queues_) {
    if (queue.oldest == i || !Older(queue.oldest, i)) continue;
    const float blocks =
        std::min(kBlocks * relative_hazard_[queue.oldest] / relative_hazard_[i], 1.0f);
    share = std::min(share, 1 - blocks * (1 - order_->OvertakeFactor(outcome, last, queue.last)));
  }
  return share;
}

// The one that waits longest goes first, by learned factors; normalised over all, so it can help
// only where it is true.
void CallTracker::WeighOrder(Outcome outcome) {
  order_bonus_.assign(candidates_.size(), 0.0f);
  FindQueues();
  float all = 0, left = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (!IsDue(i)) continue;
    order_bonus_[i] = ShareInTurn(i, outcome);
    all += relative_hazard_[i];
    left += relative_hazard_[i] * order_bonus_[i];
  }
  for (float& bonus : order_bonus_) bonus = bonus > 0 ? std::log(bonus * all / left) : 0;
}

void CallTracker::LearnOrder(Outcome outcome, size_t best) {
  FindQueues();
  if (!IsDue(best)) return;
  const Label last = states_->last(candidates_[best].track.state);
  const Queue& queue = *std::ranges::find(queues_, last, &Queue::last);
  if (queue.members > 1 && queue.members <= kMaxLearnQueue)
    order_->Add(outcome, last, last, queue.oldest != best,
                1.0f - std::min(relative_hazard_[queue.oldest] / queue.hazard, 1.0f));
  if (queue.oldest != best) return;
  for (const Queue& other : queues_) {
    if (other.last == last || queue.members + other.members > kMaxLearnQueue) continue;
    const float mine = relative_hazard_[best], its = relative_hazard_[other.oldest];
    const bool overtook = Older(other.oldest, best);
    order_->Add(outcome, last, other.last, overtook, (overtook ? mine : its) / (mine + its));
  }
}

uint32_t CallTracker::ChooseAny(const Call& call) const {
  uint32_t n = 0;
  for (const Candidate& c : candidates_) n += c.nested ? 1 : 0;
  if (n == 0) return kNone;
  uint32_t pick = static_cast<uint32_t>(Mix(call.exchange) % n);
  for (const Candidate& c : candidates_)
    if (c.nested && pick-- == 0) return open_[c.open].request;
  return kNone;
}

// The candidates that are worth a hypothesis, best first.
void CallTracker::FindPlausible(float top) {
  plausible_.clear();
  for (uint32_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].value() >= top - kPlausible) plausible_.push_back(i);
  std::ranges::stable_sort(plausible_, std::greater<>(),
                           [&](uint32_t i) { return candidates_[i].value(); });
  if (plausible_.size() > kMaxPlausible) plausible_.resize(kMaxPlausible);
}

void CallTracker::Decide(uint32_t number, float background) {
  const Call& call = history_->calls[number];
  AddBonuses(call);
  if (call.wanted && voices_->About(call.row)) background += voices_->Sum(call.row, WEFT_NONE);
  size_t best = 0;
  for (size_t i = 1; i < candidates_.size(); ++i) {
    const auto rank = [&](size_t c) {
      return std::pair(candidates_[c].value(),
                       history_->requests[open_[candidates_[c].open].request].start_ns);
    };
    if (rank(i) > rank(best)) best = i;
  }
  const float top = std::max(candidates_[best].value(), background);
  if (!call.ahead && candidates_[best].value() >= background) LearnOrder(call.callee, best);

  PendingCall pending;
  pending.call = number;
  pending.callee = call.callee;
  pending.end_ns = call.end_ns;
  pending.candidates = static_cast<uint32_t>(candidates_.size());
  FindPlausible(top);
  const bool background_plausible = background >= top - kPlausible;
  // What is not followed leaves its mass at once; the others when their hypotheses lose.
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    const bool followed = std::ranges::find(plausible_, i) != plausible_.end();
    pending.alternatives.push_back({open_[candidates_[i].open].request,
                                    followed ? 0 : std::exp(candidates_[i].value() - top),
                                    StandOf(i, call.begin_place)});
  }
  pending.alternatives.push_back(
      {kNone, background_plausible ? 0 : std::exp(background - top), {}});

  if (plausible_.empty()) {
    Commit(pending, kNone);
  } else if (Track& track = open_[candidates_[plausible_[0]].open];
             plausible_.size() == 1 && !background_plausible && track.cluster == kNone) {
    Commit(pending, track.request);
    track.track.Take(call, *model_, *states_);
  } else {
    Branch(number, std::move(pending), plausible_, background_plausible, background);
  }
}

// The ways on, weighed under each hypothesis: who waits longest differs between them.
void CallTracker::WeighChoices(uint32_t number, const Call& call,
                               const std::vector<uint32_t>& plausible, bool background_plausible,
                               float background) {
  const Cluster& cluster = clusters_[number];
  float top = -INFINITY;
  for (const Candidate& c : candidates_) top = std::max(top, c.hazard);
  choices_.clear();
  for (const Hypothesis& h : cluster.hypotheses()) {
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Track& track = open_[candidates_[i].open];
      if (track.cluster != number) continue;
      candidates_[i].track = h.tracks[cluster.MemberOf(track.request)];
      relative_hazard_[i] =
          std::exp(HazardOf(candidates_[i].track, call.callee, call.start_ns) - top);
    }
    if (candidates_.size() > 1) WeighOrder(call.callee);
    for (const uint32_t i : plausible) {
      const uint32_t request = open_[candidates_[i].open].request;
      const float order = candidates_.size() > 1 ? order_bonus_[i] : 0;
      const float thread = Continuity(i, call.callee, call.begin_place);
      choices_.push_back(
          {cluster.MemberOf(request), request, candidates_[i].bonus + order + thread});
    }
    if (background_plausible) choices_.push_back({kNone, kNone, background});
  }
}

void CallTracker::Commit(const PendingCall& pending, uint32_t owner) {
  Call& call = history_->calls[pending.call];
  call.owner = owner;
  float sum = 1;
  for (const Alternative& a : pending.alternatives)
    if (a.owner != owner) sum += a.mass;
  if (!call.ahead)
    for (const Alternative& a : pending.alternatives) {
      if (pending.candidates > 1)
        order_->continuity.Observe(call.callee, a.stand, a.owner == owner);
      else if (a.owner == owner)
        order_->continuity.ObserveOwner(call.callee, a.stand);
    }
  if (!call.wanted) return;
  const float even = std::log(static_cast<float>(pending.candidates)) - std::log(sum);
  for (const Alternative& a : pending.alternatives) {
    const float mass = a.owner == owner ? 1.0f : std::max(a.mass, 1e-9f);
    weighed_.push_back({pending.call, a.owner,
                        std::clamp(std::log(mass) + even, -kVoiceLimit, kVoiceLimit),
                        pending.candidates == 1});
  }
}

}  // namespace weft::plugins::delay
