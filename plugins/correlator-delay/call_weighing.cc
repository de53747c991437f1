// The weighing half of CallTracker: what speaks for each open request when a call begins or a
// request ends, and what is left to be found out.
#include <algorithm>
#include <cmath>

#include "plugins/correlator-delay/call_tracker.h"

namespace weft::plugins::delay {
namespace {

constexpr float kVoiceLimit = 12.0f;
constexpr float kLeastMass = 1e-9f;
// Hypotheses that lost may add up to more than the one that won. The engine decides call by call,
// and the likeliest owners of several calls need not go together.
constexpr float kMostMass = 0.99f;
constexpr float kStray = 1.0005f;           // one to 2,000 at most that some request made it
constexpr float kNotNested = -1.0f;         // ends before the call does: rests say how rare that is
constexpr float kImpossible = -12.0f;       // log-probability below which gaps are not looked at
constexpr float kHardlyEver = -11.4f;       // likewise, of what was next to never seen
constexpr float kPlausible = 8.0f;          // nats behind the best
constexpr float kPlausibleInSearch = 5.0f;  // the model is vague: nearly all would be plausible
constexpr float kNoChance = 12.0f;          // nats behind the best that no end makes good
constexpr float kNoMass = 20.0f;            // nats behind the best that are as good as nothing
constexpr size_t kMaxPlausible = 6, kMaxPlausibleInSearch = 4;
constexpr float kNotDue = -12.0f;  // nats behind the best that do not matter for the order

}  // namespace

float CallTracker::HazardOf(const TrackState& track, Outcome outcome, int64_t at) {
  if (track.state == unseen_) return -INFINITY;
  const float p = states_->LogP(track.state, outcome);
  if (p < kImpossible) return p + kImpossible;
  const Label last = states_->last(track.state);
  const size_t bin = model_->bins().Of(at - track.at);
  const bool surviving = at > track.at && track.end != TrackState::kUnseen;
  return p + model_->LogGap(last, outcome, bin) - (surviving ? model_->LogSurvival(last, bin) : 0);
}

// What the known end of a request says about its taking the call.
float CallTracker::RestGain(const TrackState& track, const Call& call) {
  if (!track.EndKnown() || states_->LogP(track.state, call.callee) < kImpossible) return 0;
  TrackState after = track;
  after.Take(call, *model_, *states_);
  return after.rest - track.rest;
}

void CallTracker::SetRelativeHazards() {
  float top = -INFINITY;
  for (const Candidate& c : candidates_) top = std::max(top, c.hazard);
  relative_hazard_.resize(candidates_.size());
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const float behind = candidates_[i].hazard - top;
    relative_hazard_[i] = behind < kNotDue ? 0 : std::exp(behind);
  }
}

void CallTracker::WeighClusters(int64_t now) {
  for (size_t c = 0; c < used_clusters_; ++c)
    if (!clusters_[c].empty()) clusters_[c].Weigh(now, *model_, *states_);
}

bool CallTracker::Nested(const TrackState& track, const Call& call) const {
  const int64_t end = track.end + model_->slack();
  return !track.EndKnown() || (end >= call.end_ns && end >= call.start_ns);
}

void CallTracker::AddCandidate(uint32_t open, const Call& call, float hazard) {
  const Track& track = open_[open];
  Candidate& candidate = candidates_.emplace_back();
  candidate.open = open;
  candidate.nested = Nested(track.track, call);
  Follow(candidate, track.track);
  if (track.cluster == kNone) {
    candidate.hazard = hazard;
    candidate.rest = RestGain(track.track, call);
    return;
  }
  const Cluster& cluster = clusters_[track.cluster];
  const uint32_t member = cluster.MemberOf(track.request);
  const auto hypotheses = cluster.hypotheses();
  effort_ += hypotheses.size();
  Follow(candidate, hypotheses[0].tracks[member]);
  candidate.hazard = -INFINITY;
  const TrackState* weighed = nullptr;  // most hypotheses agree on most members
  float own = 0, rest = 0;
  for (const Hypothesis& h : hypotheses) {
    const TrackState& mine = h.tracks[member];
    if (weighed == nullptr || mine != *weighed || mine.until != weighed->until) {
      rest = RestGain(mine, call);
      own = HazardOf(mine, call.callee, call.start_ns);
      weighed = &mine;
    }
    const float gain = h.total - hypotheses[0].total + own;
    if (gain + rest <= candidate.hazard + candidate.rest) continue;
    candidate.hazard = gain;
    candidate.rest = rest;
  }
}

// Open requests that may have made the call at all; in a search, which goes over everything many
// times, those whose state can. `all`: whatever speaks against it.
void CallTracker::FindCandidates(const Call& call, bool all) {
  candidates_.clear();
  hazards_.resize(open_.size());
  float best = -INFINITY;
  for (uint32_t i = 0; i < open_.size(); ++i) {
    const Track& track = open_[i];
    hazards_[i] = -INFINITY;
    if (track.cluster != kNone || (!all && mode_ == Mode::kSearch &&
                                   states_->LogP(track.track.state, call.callee) < kHardlyEver))
      continue;
    hazards_[i] = HazardOf(track.track, call.callee, call.start_ns);
    best = std::max(best, hazards_[i]);
  }
  const float least = all ? -INFINITY : best - kNoChance;
  for (uint32_t i = 0; i < open_.size(); ++i)
    if (open_[i].cluster != kNone || (hazards_[i] >= least && (all || hazards_[i] > -INFINITY)))
      AddCandidate(i, call, hazards_[i]);
  effort_ += candidates_.size();
  if (candidates_.empty()) FindCandidates(call, true);
}

// Whose turn it was to end is evidence too: the owner is known, so a hypothesis in which the
// request overtook others is the less likely one.
void CallTracker::WeighEnd(uint32_t request) {
  if (open_.size() > kMaxOpen) return;
  const int64_t at = history_->requests[request].end_ns;
  const Place& place = history_->requests[request].end_place;
  candidates_.clear();
  size_t mine = 0;
  for (uint32_t i = 0; i < open_.size(); ++i) {
    const Track& track = open_[i];
    if (Supposed(track.request)) continue;  // nobody sees its end
    const TrackState* state = &track.track;
    if (track.cluster != kNone) {
      const Cluster& cluster = clusters_[track.cluster];
      state = &cluster.hypotheses()[0].tracks[cluster.MemberOf(track.request)];
    }
    if (track.request == request)
      mine = candidates_.size();
    else if (!threads_ && states_->LogP(state->state, kEnds) < kHardlyEver)
      continue;
    Candidate& candidate = candidates_.emplace_back();
    candidate.open = i;
    candidate.nested = true;
    candidate.hazard = HazardOf(*state, kEnds, at);
    Follow(candidate, *state);
  }
  effort_ += candidates_.size();
  if (candidates_.size() == 1 && !threads_) return;
  SetRelativeHazards();
  const bool in_window = at >= history_->window_begin && at <= history_->window_end;
  if (mode_ == Mode::kSearch || in_window) {
    PendingCall ended;
    ended.callee = kEnds;
    FindQueues();
    NoteWaiters(ended);
    LearnOrder(ended, request);
    LearnStands(kEnds, place, mine);
  }
  const uint32_t number = open_[candidates_[mine].open].cluster;
  if (number == kNone) return;
  const Cluster& cluster = clusters_[number];
  const float top = candidates_[mine].hazard;
  for (size_t i = 0; i < candidates_.size(); ++i)
    relative_hazard_[i] = std::exp(std::min(candidates_[i].hazard - top, 60.0f));
  end_bonus_.clear();
  for (const Hypothesis& h : cluster.hypotheses()) {
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const Track& track = open_[candidates_[i].open];
      if (track.cluster != number) continue;
      Follow(candidates_[i], h.tracks[cluster.MemberOf(track.request)]);
      relative_hazard_[i] =
          std::exp(std::min(HazardOf(*candidates_[i].track, kEnds, at) - top, 60.0f));
    }
    WeighOrder(kEnds);
    end_bonus_.push_back(OrderBonus(mine) + Continuity(mine, kEnds, place));
  }
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
    const uint32_t request = open_[c.open].request;
    if (spoken)
      c.bonus +=
          voices_->Sum(call.row, Supposed(request) ? WEFT_NONE : history_->requests[request].row);
    if (candidates_.size() > 1) c.order = OrderBonus(i);
    c.order += Continuity(i, call.callee, call.begin_place);
  }
}

// The one of the greatest value; of equal ones the request that began last.
size_t CallTracker::FindBest() const {
  size_t best = 0;
  const auto start = [&](size_t c) {
    const uint32_t request = open_[candidates_[c].open].request;
    return Supposed(request) ? INT64_MIN : history_->requests[request].start_ns;
  };
  for (size_t i = 1; i < candidates_.size(); ++i) {
    const float a = candidates_[i].value(), b = candidates_[best].value();
    if (a > b || (a == b && start(i) > start(best))) best = i;
  }
  return best;
}

float CallTracker::Plausible() const {
  return mode_ == Mode::kDecide ? kPlausible : kPlausibleInSearch;
}

// The candidates that are worth a hypothesis, best first.
void CallTracker::FindPlausible(float top) {
  plausible_.clear();
  for (uint32_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].value() >= top - Plausible()) plausible_.push_back(i);
  if (plausible_.size() < 2) return;
  std::ranges::stable_sort(plausible_, [&](uint32_t a, uint32_t b) {
    return candidates_[a].value() > candidates_[b].value();
  });
  plausible_.resize(
      std::min(plausible_.size(), mode_ == Mode::kDecide ? kMaxPlausible : kMaxPlausibleInSearch));
}

// Lists every open request as an alternative, because what nothing is said of counts as likely.
// What is not followed leaves its mass at once; the others when their hypotheses lose.
PendingCall CallTracker::NewPending(uint32_t number, float top, const Background& background) {
  const Call& call = history_->calls[number];
  PendingCall pending;
  pending.call = number;
  pending.callee = call.callee;
  pending.end_ns = call.end_ns;
  pending.candidates = static_cast<uint32_t>(OpenRequests());
  pending.supposed = background.request;
  pending.first = static_cast<uint32_t>(alternatives_.size());
  const auto add = [&](uint32_t request, float mass, const Stand& stand) {
    alternatives_.push_back({request, mass});
    if (threads_) stands_.push_back(stand);
  };
  const auto mass = [top](float value) {
    return value < top - kNoMass ? 0 : std::exp(value - top);
  };
  const auto stand = [&](uint32_t i) { return threads_ ? StandOf(i, call.begin_place) : Stand{}; };
  for (const uint32_t i : plausible_) add(open_[candidates_[i].open].request, 0, stand(i));
  add(background.request, background.plausible ? 0 : mass(background.value), {});
  size_t next = 0;
  for (uint32_t o = 0; o < open_.size(); ++o) {
    if (next == candidates_.size() || candidates_[next].open != o) {
      if (!Supposed(open_[o].request)) add(open_[o].request, 0, {});
      continue;
    }
    const auto i = static_cast<uint32_t>(next++);
    if (std::ranges::find(plausible_, i) == plausible_.end())
      add(open_[o].request, mass(candidates_[i].value()), stand(i));
  }
  pending.count = static_cast<uint32_t>(alternatives_.size()) - pending.first;
  return pending;
}

void CallTracker::Decide(uint32_t number, Background background) {
  const Call& call = history_->calls[number];
  const bool spoken = call.wanted && voices_->About(call.row);
  WeighClusters(call.start_ns);
  FindCandidates(call, spoken || threads_);
  AddBonuses(call);
  if (spoken) background.value += voices_->Sum(call.row, WEFT_NONE);
  const size_t best = FindBest();
  const float top = std::max(candidates_[best].value(), background.value);

  FindPlausible(top);
  background.plausible = background.value >= top - Plausible();
  if (background.plausible) background.request = SupposeRequest(call);
  PendingCall pending = NewPending(number, top, background);
  if (!call.ahead && candidates_.size() > 1) NoteWaiters(pending);
  if (plausible_.empty()) {
    Commit(pending, background.request);
    if (background.request != kNone)
      TrackOf(background.request)->track.Take(call, *model_, *states_);
  } else if (Track& track = open_[candidates_[plausible_[0]].open];
             plausible_.size() == 1 && !background.plausible && track.cluster == kNone) {
    Commit(pending, track.request);
    track.track.Take(call, *model_, *states_);
  } else {
    Branch(pending, background);
  }
}

// The ways on, weighed under each hypothesis: who waits longest differs between them.
void CallTracker::WeighChoices(uint32_t number, const Call& call, const Background& background) {
  const Cluster& cluster = clusters_[number];
  float top = -INFINITY;
  for (const Candidate& c : candidates_) top = std::max(top, c.hazard);
  choices_.clear();
  member_of_.clear();
  for (const Candidate& c : candidates_) {
    const Track& track = open_[c.open];
    member_of_.push_back(track.cluster == number ? cluster.MemberOf(track.request) : kNone);
  }
  for (const Hypothesis& h : cluster.hypotheses()) {
    const bool first = &h == cluster.hypotheses().data();
    bool changed = first;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (member_of_[i] == kNone) continue;
      const TrackState& track = h.tracks[member_of_[i]];
      const bool same = !first && track == *candidates_[i].track;
      Follow(candidates_[i], track);
      if (same) continue;
      changed = true;
      const float behind = HazardOf(*candidates_[i].track, call.callee, call.start_ns) - top;
      relative_hazard_[i] = behind < kNotDue ? 0 : std::exp(behind);
    }
    if (changed) WeighOrder(call.callee);
    for (const uint32_t i : plausible_) {
      const uint32_t request = open_[candidates_[i].open].request;
      const float order = candidates_.size() > 1 ? OrderBonus(i) : 0;
      const float thread = Continuity(i, call.callee, call.begin_place);
      const bool there = candidates_[i].track->state != unseen_;
      choices_.push_back({member_of_[i], request, false,
                          there ? candidates_[i].bonus + order + thread : -INFINITY});
    }
    if (!background.plausible) continue;
    const bool supposed = background.request != kNone;
    choices_.push_back({supposed ? cluster.MemberOf(background.request) : kNone, background.request,
                        supposed, background.value});
  }
}

void CallTracker::Commit(const PendingCall& pending, uint32_t owner) {
  Call& call = history_->calls[pending.call];
  const bool nobody = owner == kNone || Supposed(owner);
  const bool first = owner == pending.supposed;  // of one that was lost, or of none
  call.owner = owner;
  call.stray = false;
  LearnOrder(pending, owner);
  if (threads_ && !call.ahead) LearnStandsOf(pending, owner);
  if (nobody && !first) call.contested = true;
  if ((!call.wanted && !nobody) || pending.candidates == 0) return;
  const Alternative* const begin = alternatives_.data() + pending.first;
  const Alternative* const end = begin + pending.count;
  float sum = 1, of_nobody = 0;
  for (const Alternative* a = begin; a < end; ++a) {
    if (a->owner == owner) continue;
    const bool request = a->owner != kNone && !Supposed(a->owner);
    (request ? sum : of_nobody) += std::min(a->mass, kMostMass);
  }
  of_nobody = std::min(of_nobody, kMostMass);
  if (!nobody) sum += of_nobody;
  call.stray = first && sum < kStray;
  if (!call.wanted) return;
  const float even = std::log(static_cast<float>(pending.candidates)) - std::log(sum);
  const float least = std::max(std::log(kLeastMass) + even, -kVoiceLimit);
  const auto say = [&](uint32_t request, bool taken, float mass) {
    float odds = least;
    if (taken)
      odds = std::clamp(even, -kVoiceLimit, kVoiceLimit);
    else if (mass > kLeastMass)
      odds = std::clamp(std::log(mass) + even, -kVoiceLimit, kVoiceLimit);
    weighed_.push_back({pending.call, request, odds, pending.candidates == 1});
  };
  for (const Alternative* a = begin; a < end; ++a)
    if (a->owner != kNone && !Supposed(a->owner))
      say(a->owner, a->owner == owner, std::min(a->mass, kMostMass));
  say(kNone, nobody, of_nobody);
}

}  // namespace weft::plugins::delay
