#include "plugins/correlator-delay/hypotheses.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weft::plugins::delay {
namespace {

constexpr float kHopeless = 12.0f;  // nats behind the best: will not come back

double Microseconds(int64_t ns) { return static_cast<double>(ns) * 1e-3; }

bool Better(const Hypothesis& a, const Hypothesis& b) {
  if (a.total != b.total) return a.total > b.total;
  return a.owners < b.owners;  // a stable order where nothing tells them apart
}

}  // namespace

void PendingCall::Add(uint32_t owner, float mass) {
  for (Alternative& a : alternatives)
    if (a.owner == owner) {
      a.mass += mass;
      return;
    }
  alternatives.push_back({owner, mass, {}});
}

void TrackState::FindRest(const RequestModel& model, RequestStates& states) {
  if (end == 0) return;
  rest =
      model.LogRest(states.RestRow(state), until == INT64_MAX ? -1e12 : Microseconds(end - until));
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
  hypotheses_.resize(1);
  hypotheses_[0] = {};
}

void Cluster::Join(uint32_t request, TrackState track) {
  members_.push_back(request);
  for (Hypothesis& h : hypotheses_) h.tracks.push_back(track);
}

uint32_t Cluster::MemberOf(uint32_t request) const {
  const auto found = std::ranges::find(members_, request);
  return found == members_.end() ? kNone : static_cast<uint32_t>(found - members_.begin());
}

void Cluster::Merge(Cluster& other, size_t keep) {
  next_.clear();
  for (const Hypothesis& a : hypotheses_)
    for (const Hypothesis& b : other.hypotheses_) {
      Hypothesis& h = next_.emplace_back(a);
      h.score += b.score;
      h.total += b.total;
      h.tracks.insert(h.tracks.end(), b.tracks.begin(), b.tracks.end());
      h.owners.insert(h.owners.end(), b.owners.begin(), b.owners.end());
    }
  members_.insert(members_.end(), other.members_.begin(), other.members_.end());
  std::ranges::move(other.pending_, std::back_inserter(pending_));
  std::ranges::sort(next_, Better);
  for (size_t i = keep; i < next_.size(); ++i) Lose(next_[i], next_[0]);
  if (next_.size() > keep) next_.resize(keep);
  hypotheses_.swap(next_);
  other.Reset();
}

void Cluster::Branch(PendingCall call, const Call& info, const std::vector<Choice>& choices,
                     const RequestModel& model, RequestStates& states, size_t keep) {
  pending_.push_back(std::move(call));
  next_.clear();
  const size_t ways = choices.size() / hypotheses_.size();
  for (size_t i = 0; i < choices.size(); ++i) {
    const Choice& choice = choices[i];
    Hypothesis& h = next_.emplace_back(hypotheses_[i / ways]);
    h.owners.push_back(choice.request);
    h.score += choice.bonus;
    if (choice.member == kNone) continue;
    TrackState& track = h.tracks[choice.member];
    const double gap = Microseconds(info.start_ns - track.at);
    h.score += states.LogP(track.state, info.callee) +
               model.LogGap(states.last(track.state), info.callee, gap);
    track.Take(info, model, states);
  }
  hypotheses_.swap(next_);
  Settle(info.start_ns, keep, model, states);
}

void Cluster::Follow(uint32_t member, const Call& call, const RequestModel& model,
                     RequestStates& states) {
  for (Hypothesis& h : hypotheses_) {
    TrackState& track = h.tracks[member];
    const double gap = Microseconds(call.start_ns - track.at);
    h.score += states.LogP(track.state, call.callee) +
               model.LogGap(states.last(track.state), call.callee, gap);
    track.Take(call, model, states);
  }
}

void Cluster::Answer(uint32_t call, uint32_t member, uint16_t callee, int64_t at,
                     const Place* place, RequestStates& states) {
  size_t position = pending_.size();
  if (member == kNone)
    for (size_t p = 0; p < pending_.size(); ++p)
      if (pending_[p].call == call) position = p;
  for (Hypothesis& h : hypotheses_) {
    const uint32_t mine = member != kNone              ? member
                          : position < pending_.size() ? MemberOf(h.owners[position])
                                                       : kNone;
    if (mine == kNone) continue;
    TrackState& track = h.tracks[mine];
    h.score += states.LogP(track.state, kResponds);
    track.state = states.Answered(track.state, callee);
    track.at = at;
    track.place = place;
  }
}

void Cluster::End(uint32_t member, int64_t at, const std::vector<float>& bonus,
                  const RequestModel& model, RequestStates& states) {
  for (size_t i = 0; i < hypotheses_.size(); ++i) {
    const TrackState track = hypotheses_[i].tracks[member];
    hypotheses_[i].score +=
        bonus[i] + states.LogP(track.state, kEnds) +
        model.LogGap(states.last(track.state), kEnds, Microseconds(at - track.at));
  }
  Remove(member);
}

void Cluster::Remove(uint32_t member) {
  members_.erase(members_.begin() + member);
  for (Hypothesis& h : hypotheses_) h.tracks.erase(h.tracks.begin() + member);
}

void Cluster::Weigh(int64_t now, const RequestModel& model, const RequestStates& states) {
  for (Hypothesis& h : hypotheses_) {
    h.total = h.score;
    for (const TrackState& track : h.tracks)
      h.total +=
          track.rest + model.LogSurvival(states.last(track.state), Microseconds(now - track.at));
  }
  std::ranges::sort(hypotheses_, Better);
}

void Cluster::Lose(const Hypothesis& loser, const Hypothesis& winner) {
  const float mass = std::exp(loser.total - winner.total);
  for (size_t p = 0; p < pending_.size(); ++p)
    if (loser.owners[p] != winner.owners[p]) pending_[p].Add(loser.owners[p], mass);
}

bool Cluster::SameFuture(const Hypothesis& a, const Hypothesis& b, int64_t now) const {
  if (a.tracks != b.tracks) return false;
  for (size_t p = 0; p < pending_.size(); ++p)
    if (a.owners[p] != b.owners[p] && InFlight(pending_[p], now)) return false;
  return true;
}

void Cluster::Settle(int64_t now, size_t keep, const RequestModel& model,
                     const RequestStates& states) {
  Weigh(now, model, states);
  size_t kept = 1;
  for (size_t i = 1; i < hypotheses_.size(); ++i) {
    const Hypothesis& h = hypotheses_[i];
    const Hypothesis* winner = nullptr;
    if (kept >= keep || h.total < hypotheses_[0].total - kHopeless) winner = &hypotheses_[0];
    for (size_t better = 0; winner == nullptr && better < kept; ++better)
      if (SameFuture(hypotheses_[better], h, now)) winner = &hypotheses_[better];
    if (winner != nullptr) {
      Lose(h, *winner);
      continue;
    }
    if (kept != i) std::swap(hypotheses_[kept], hypotheses_[i]);
    ++kept;
  }
  hypotheses_.resize(kept);
  DecideAgreed();
  ReleaseAgreed(now);
}

void Cluster::Force(int64_t now, const RequestModel& model, const RequestStates& states) {
  Weigh(now, model, states);
  for (size_t i = 1; i < hypotheses_.size(); ++i) Lose(hypotheses_[i], hypotheses_[0]);
  hypotheses_.resize(1);
  DecideAgreed();
  ReleaseAgreed(now);
}

void Cluster::DecideAgreed() {
  size_t kept = 0;
  for (size_t p = 0; p < pending_.size(); ++p) {
    const uint32_t owner = hypotheses_[0].owners[p];
    const bool agreed =
        std::ranges::all_of(hypotheses_, [&](const Hypothesis& h) { return h.owners[p] == owner; });
    if (agreed) {
      decided_.push_back({std::move(pending_[p]), owner});
      continue;
    }
    if (kept != p) pending_[kept] = std::move(pending_[p]);
    for (Hypothesis& h : hypotheses_) h.owners[kept] = h.owners[p];
    ++kept;
  }
  pending_.resize(kept);
  for (Hypothesis& h : hypotheses_) h.owners.resize(kept);
}

void Cluster::ReleaseAgreed(int64_t now) {
  for (uint32_t m = 0; m < members_.size();) {
    const TrackState track = hypotheses_[0].tracks[m];
    bool agreed = true;
    for (const Hypothesis& h : hypotheses_) {
      agreed &= h.tracks[m] == track;
      for (size_t p = 0; p < pending_.size(); ++p)
        agreed &= h.owners[p] != members_[m] || !InFlight(pending_[p], now);
    }
    if (!agreed) {
      ++m;
      continue;
    }
    released_.push_back({members_[m], track});
    Remove(m);
  }
  if (!members_.empty() || pending_.empty()) return;
  // Nobody is left who could tell them apart: what differs is decided by the best.
  for (size_t i = 1; i < hypotheses_.size(); ++i) Lose(hypotheses_[i], hypotheses_[0]);
  hypotheses_.resize(1);
  DecideAgreed();
}

}  // namespace weft::plugins::delay
