#include "plugins/correlator-delay/hypotheses.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weft::plugins::delay {
namespace {

constexpr float kHopeless = 12.0f;                      // nats behind the best: will not come back
constexpr int64_t kFarBeyond = -1'000'000'000'000'000;  // the rest where an answer is not known

bool Better(const Hypothesis& a, const Hypothesis& b) {
  if (a.total != b.total) return a.total > b.total;
  return a.owners < b.owners;  // a stable order where nothing tells them apart
}

void AddMass(const PendingCall& call, uint32_t owner, float mass, std::vector<Alternative>& all) {
  for (uint32_t i = call.first; i < call.first + call.count; ++i)
    if (all[i].owner == owner) {
      all[i].mass += mass;
      return;
    }
}

}  // namespace

void TrackState::FindRest(const RequestModel& model, RequestStates& states) {
  if (!EndKnown()) return;
  const int64_t left = until == INT64_MAX ? kFarBeyond : end - until;
  rest = model.LogRest(states.RestRow(state), model.bins().Of(left));
}

void TrackState::Take(const Call& call, const RequestModel& model, RequestStates& states) {
  state = states.Called(state, call.callee);
  at = call.start_ns;
  place = &call.begin_place;
  until = call.end_ns == 0 ? INT64_MAX : std::max(until, call.end_ns);
  FindRest(model, states);
}

void Cluster::Reset() {
  members_.clear();
  pending_.clear();
  if (hypotheses_.empty()) hypotheses_.emplace_back();
  n_ = 1;
  hypotheses_[0].score = hypotheses_[0].total = 0;
  hypotheses_[0].tracks.clear();
  hypotheses_[0].owners.clear();
}

Hypothesis& Cluster::Next() {
  if (next_n_ == next_.size()) next_.emplace_back();
  return next_[next_n_++];
}

void Cluster::SortByTotal() {
  std::sort(hypotheses_.begin(), hypotheses_.begin() + static_cast<ptrdiff_t>(n_), Better);
}

void Cluster::Join(uint32_t request, const TrackState& track) {
  members_.push_back(request);
  for (size_t i = 0; i < n_; ++i) hypotheses_[i].tracks.push_back(track);
}

uint32_t Cluster::MemberOf(uint32_t request) const {
  for (uint32_t m = 0; m < members_.size(); ++m)
    if (members_[m] == request) return m;
  return kNone;
}

void Cluster::Merge(Cluster& other, size_t keep, std::vector<Alternative>& alternatives) {
  next_n_ = 0;
  for (size_t a = 0; a < n_; ++a)
    for (size_t b = 0; b < other.n_; ++b) {
      const Hypothesis& from = other.hypotheses_[b];
      Hypothesis& h = Next();
      h = hypotheses_[a];
      h.score += from.score;
      h.total += from.total;
      h.tracks.insert(h.tracks.end(), from.tracks.begin(), from.tracks.end());
      h.owners.insert(h.owners.end(), from.owners.begin(), from.owners.end());
    }
  members_.insert(members_.end(), other.members_.begin(), other.members_.end());
  pending_.insert(pending_.end(), other.pending_.begin(), other.pending_.end());
  hypotheses_.swap(next_);
  n_ = next_n_;
  SortByTotal();
  for (size_t i = keep; i < n_; ++i) Lose(hypotheses_[i], hypotheses_[0], alternatives);
  n_ = std::min(n_, keep);
  other.Reset();
}

void Cluster::Branch(const PendingCall& pending, const Call& call, std::span<const Choice> choices,
                     const RequestModel& model, RequestStates& states, size_t keep,
                     std::vector<Alternative>& alternatives) {
  const size_t each = choices.size() / n_;
  ways_.clear();
  after_.resize(choices.size());
  for (uint32_t i = 0; i < choices.size(); ++i) {
    const Choice& choice = choices[i];
    const auto from = static_cast<uint32_t>(i / each);
    const Hypothesis& h = hypotheses_[from];
    float gain = choice.bonus, change = 0;
    if (choice.member != kNone) {
      const TrackState& track = h.tracks[choice.member];
      if (!choice.first) {
        const Label last = states.last(track.state);
        const size_t bin = model.bins().Of(call.start_ns - track.at);
        gain += states.LogP(track.state, call.callee) + model.LogGap(last, call.callee, bin);
      }
      TrackState& after = after_[i] = track;
      after.Take(call, model, states);
      change = after.rest - track.rest - track.LogSurvival(call.start_ns, model, states);
    }
    ways_.push_back({from, i, h.score + gain, h.total + gain + change});
  }
  std::ranges::sort(ways_, [](const Way& a, const Way& b) {
    return a.total != b.total ? a.total > b.total : a.choice < b.choice;
  });
  const Way best = ways_[0];
  pending_.push_back(pending);
  next_n_ = 0;
  for (const Way& way : ways_) {
    const Choice& choice = choices[way.choice];
    if (next_n_ >= 2 * keep || way.total < best.total - kHopeless) {
      const float mass = std::exp(way.total - best.total);
      const auto& lost = hypotheses_[way.hypothesis].owners;
      const auto& won = hypotheses_[best.hypothesis].owners;
      for (size_t p = 0; p < lost.size(); ++p)
        if (lost[p] != won[p]) AddMass(pending_[p], lost[p], mass, alternatives);
      if (choice.request != choices[best.choice].request)
        AddMass(pending, choice.request, mass, alternatives);
      continue;
    }
    Hypothesis& h = Next();
    h = hypotheses_[way.hypothesis];
    h.score = way.score;
    h.owners.push_back(choice.request);
    if (choice.member != kNone) h.tracks[choice.member] = after_[way.choice];
  }
  hypotheses_.swap(next_);
  n_ = next_n_;
  Settle(call.start_ns, keep, model, states, alternatives);
}

void Cluster::Follow(uint32_t member, const Call& call, const RequestModel& model,
                     RequestStates& states) {
  for (size_t i = 0; i < n_; ++i) {
    TrackState& track = hypotheses_[i].tracks[member];
    const size_t bin = model.bins().Of(call.start_ns - track.at);
    hypotheses_[i].score += states.LogP(track.state, call.callee) +
                            model.LogGap(states.last(track.state), call.callee, bin);
    track.Take(call, model, states);
  }
}

void Cluster::Answer(uint32_t call, uint32_t member, uint16_t callee, int64_t at,
                     const Place* place, RequestStates& states) {
  size_t position = pending_.size();
  if (member == kNone)
    for (size_t p = 0; p < pending_.size(); ++p)
      if (pending_[p].call == call) position = p;
  for (size_t i = 0; i < n_; ++i) {
    Hypothesis& h = hypotheses_[i];
    const uint32_t mine = member != kNone              ? member
                          : position < pending_.size() ? MemberOf(h.owners[position])
                                                       : kNone;
    if (mine == kNone) continue;
    TrackState& track = h.tracks[mine];
    h.score += states.LogP(track.state, kResponds);
    track.Answer(callee, at, place, states);
  }
}

void Cluster::End(uint32_t member, int64_t at, const std::vector<float>& bonus,
                  const RequestModel& model, RequestStates& states) {
  for (size_t i = 0; i < n_; ++i) {
    const TrackState& track = hypotheses_[i].tracks[member];
    hypotheses_[i].score +=
        bonus[i] + states.LogP(track.state, kEnds) +
        model.LogGap(states.last(track.state), kEnds, model.bins().Of(at - track.at));
  }
  Remove(member);
}

void Cluster::Remove(uint32_t member) {
  members_.erase(members_.begin() + member);
  for (size_t i = 0; i < n_; ++i)
    hypotheses_[i].tracks.erase(hypotheses_[i].tracks.begin() + member);
}

void Cluster::Weigh(int64_t now, const RequestModel& model, const RequestStates& states) {
  // Most hypotheses agree on most members.
  still_.clear();
  for (const TrackState& track : hypotheses_[0].tracks)
    still_.push_back(track.LogSurvival(now, model, states));
  for (size_t i = 0; i < n_; ++i) {
    Hypothesis& h = hypotheses_[i];
    h.total = h.score;
    for (size_t m = 0; m < h.tracks.size(); ++m) {
      const TrackState& track = h.tracks[m];
      h.total +=
          track.rest +
          (track == hypotheses_[0].tracks[m] ? still_[m] : track.LogSurvival(now, model, states));
    }
  }
  if (n_ > 1) SortByTotal();
}

void Cluster::Lose(const Hypothesis& loser, const Hypothesis& winner,
                   std::vector<Alternative>& out) const {
  const float mass = std::exp(loser.total - winner.total);
  for (size_t p = 0; p < pending_.size(); ++p)
    if (loser.owners[p] != winner.owners[p]) AddMass(pending_[p], loser.owners[p], mass, out);
}

bool Cluster::SameFuture(const Hypothesis& a, const Hypothesis& b, int64_t now) const {
  if (a.tracks != b.tracks) return false;
  for (size_t p = 0; p < pending_.size(); ++p)
    if (a.owners[p] != b.owners[p] && InFlight(pending_[p], now)) return false;
  return true;
}

void Cluster::Settle(int64_t now, size_t keep, const RequestModel& model,
                     const RequestStates& states, std::vector<Alternative>& alternatives) {
  Weigh(now, model, states);
  size_t kept = 1;
  for (size_t i = 1; i < n_; ++i) {
    const Hypothesis& h = hypotheses_[i];
    const Hypothesis* winner = nullptr;
    if (kept >= keep || h.total < hypotheses_[0].total - kHopeless) winner = &hypotheses_[0];
    for (size_t better = 0; winner == nullptr && better < kept; ++better)
      if (SameFuture(hypotheses_[better], h, now)) winner = &hypotheses_[better];
    if (winner != nullptr) {
      Lose(h, *winner, alternatives);
      continue;
    }
    if (kept != i) std::swap(hypotheses_[kept], hypotheses_[i]);
    ++kept;
  }
  n_ = kept;
  DecideAgreed();
  ReleaseAgreed(now, alternatives);
}

void Cluster::Force(int64_t now, const RequestModel& model, const RequestStates& states,
                    std::vector<Alternative>& alternatives) {
  Weigh(now, model, states);
  KeepBest(alternatives);
  ReleaseAgreed(now, alternatives);
}

void Cluster::KeepBest(std::vector<Alternative>& alternatives) {
  for (size_t i = 1; i < n_; ++i) Lose(hypotheses_[i], hypotheses_[0], alternatives);
  n_ = 1;
  DecideAgreed();
}

void Cluster::DecideAgreed() {
  size_t kept = 0;
  for (size_t p = 0; p < pending_.size(); ++p) {
    const uint32_t owner = hypotheses_[0].owners[p];
    bool agreed = true;
    for (size_t i = 1; i < n_ && agreed; ++i) agreed = hypotheses_[i].owners[p] == owner;
    if (agreed) {
      decided_.push_back({pending_[p], owner});
      continue;
    }
    if (kept != p) {
      pending_[kept] = pending_[p];
      for (size_t i = 0; i < n_; ++i) hypotheses_[i].owners[kept] = hypotheses_[i].owners[p];
    }
    ++kept;
  }
  if (kept == pending_.size()) return;
  pending_.resize(kept);
  for (size_t i = 0; i < n_; ++i) hypotheses_[i].owners.resize(kept);
}

void Cluster::ReleaseAgreed(int64_t now, std::vector<Alternative>& alternatives) {
  for (uint32_t m = 0; m < members_.size();) {
    const TrackState track = hypotheses_[0].tracks[m];
    bool agreed = true;
    for (size_t i = 0; i < n_ && agreed; ++i) {
      agreed = hypotheses_[i].tracks[m] == track;
      for (size_t p = 0; p < pending_.size() && agreed; ++p)
        agreed = hypotheses_[i].owners[p] != members_[m] || !InFlight(pending_[p], now);
    }
    if (!agreed) {
      ++m;
      continue;
    }
    released_.push_back({members_[m], track});
    Remove(m);
  }
  // Nobody is left who could tell them apart: what differs is decided by the best.
  if (members_.empty() && !pending_.empty()) KeepBest(alternatives);
}

}  // namespace weft::plugins::delay
