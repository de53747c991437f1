#include "plugins/correlator-delay/call_tracker.h"

#include <algorithm>
#include <utility>

namespace weft::plugins::delay {
namespace {

// Order of events at one instant: a request begins before the calls it makes, a response comes
// before the next call, a request ends last.
enum What : uint32_t { kBegin, kResponse, kCall, kInstantResponse, kEnd };

}  // namespace

void CallTracker::BuildEvents(const ProcessHistory& history) {
  events_.clear();
  for (uint32_t i = 0; i < history.requests.size(); ++i) {
    const Request& r = history.requests[i];
    events_.push_back({r.start_ns, kBegin, i});
    if (r.end_ns != 0) events_.push_back({r.end_ns, kEnd, i});
  }
  for (uint32_t i = 0; i < history.calls.size(); ++i) {
    const Call& c = history.calls[i];
    events_.push_back({c.start_ns, kCall, i});
    if (c.end_ns != 0)
      events_.push_back({c.end_ns, c.end_ns > c.start_ns ? kResponse : kInstantResponse, i});
  }
  std::ranges::sort(events_, [](const Event& a, const Event& b) {
    if (a.at != b.at) return a.at < b.at;
    return a.what != b.what ? a.what < b.what : a.number < b.number;
  });
}

void CallTracker::Run(ProcessHistory& history, const RequestModel& model, RequestStates& states,
                      QueueOrder& order, const EarlierVoices& voices, Mode mode) {
  history_ = &history;
  model_ = &model;
  states_ = &states;
  order_ = &order;
  voices_ = &voices;
  mode_ = mode;
  BuildEvents(history);
  if (threads_) FindPlaces();
  open_.clear();
  weighed_.clear();
  position_.assign(history.requests.size(), kNone);
  cluster_of_call_.assign(history.calls.size(), kNone);
  wanted_pending_ = ambiguous_ = crowded_ = 0;
  int64_t now = 0;
  for (const Event& e : events_) {
    if (mode == Mode::kDecide && e.at > history.window_end && wanted_pending_ == 0) break;
    now = e.at;
    Handle(e);
  }
  for (uint32_t c = 0; c < clusters_.size(); ++c) {
    if (clusters_[c].empty()) continue;
    clusters_[c].Force(now, model, states);
    Absorb(c);
  }
  clusters_.clear();
  free_clusters_.clear();
}

void CallTracker::Handle(const Event& e) {
  switch (e.what) {
    case kBegin:
      position_[e.number] = static_cast<uint32_t>(open_.size());
      open_.push_back(
          {e.number,
           kNone,
           {states_->Start(history_->requests[e.number].operation), e.at,
            &history_->requests[e.number].begin_place, history_->requests[e.number].end_ns, e.at}});
      open_.back().track.FindRest(*model_, *states_);
      break;
    case kCall: OnCall(e.number); break;
    case kEnd: OnEnd(e.number, e.at); break;
    default: OnResponse(e.number, e.at);
  }
}

// Where each event stands in its thread's stream. An event before the window keeps the place that
// it had when all around it was in view.
void CallTracker::FindPlaces() {
  threads_seen_.clear();
  for (const Event& e : events_) {
    const bool request = e.what == kBegin || e.what == kEnd;
    const bool begin = e.what == kBegin || e.what == kCall;
    const bool output = e.what == kCall || e.what == kEnd;
    Place* place;
    uint32_t thread;
    if (request) {
      Request& r = history_->requests[e.number];
      place = begin ? &r.begin_place : &r.end_place;
      thread = begin ? r.begin_thread : r.end_thread;
    } else {
      Call& c = history_->calls[e.number];
      place = begin ? &c.begin_place : &c.end_place;
      thread = begin ? c.begin_thread : c.end_thread;
    }
    if (thread == 0) continue;
    ThreadStream& s = threads_seen_[thread];
    if (!output && s.outputs > 0) s.inputs = s.outputs = 0;
    if (!output && s.inputs == 0) s.run_began = e.at;
    if (place->thread == 0 || e.at >= history_->window_begin)
      *place = {e.at,     s.run_began, s.previous, thread, output ? s.outputs : s.inputs,
                s.inputs, output};
    ++(output ? s.outputs : s.inputs);
    s.previous = e.at;
  }
}

CallTracker::Track* CallTracker::TrackOf(uint32_t request) {
  if (request == kNone || position_[request] == kNone) return nullptr;
  return &open_[position_[request]];
}

void CallTracker::OnEnd(uint32_t request, int64_t at) {
  const uint32_t number = TrackOf(request)->cluster;
  end_bonus_.assign(number == kNone ? 0 : clusters_[number].hypotheses().size(), 0.0f);
  if (open_.size() > 1 && mode_ != Mode::kAny) WeighEnd(request, at);
  if (number != kNone) {
    Cluster& cluster = clusters_[number];
    cluster.End(cluster.MemberOf(request), at, end_bonus_, *model_, *states_);
  }
  Close(request);
  if (number != kNone) AfterChange(number, at);
}

void CallTracker::Close(uint32_t request) {
  const uint32_t at = position_[request];
  open_[at] = open_.back();
  position_[open_[at].request] = at;
  open_.pop_back();
  position_[request] = kNone;
}

void CallTracker::OnResponse(uint32_t number, int64_t at) {
  const Call& call = history_->calls[number];
  if (const uint32_t cluster = cluster_of_call_[number]; cluster != kNone) {
    clusters_[cluster].Answer(number, kNone, call.callee, at, &call.end_place, *states_);
    AfterChange(cluster, at);
    return;
  }
  Track* track = TrackOf(call.owner);
  if (track == nullptr) return;
  if (track->cluster == kNone) {
    track->track.state = states_->Answered(track->track.state, call.callee);
    track->track.at = at;
    track->track.place = &call.end_place;
    return;
  }
  Cluster& cluster = clusters_[track->cluster];
  cluster.Answer(number, cluster.MemberOf(call.owner), call.callee, at, &call.end_place, *states_);
  AfterChange(track->cluster, at);
}

void CallTracker::OnCall(uint32_t number) {
  Call& call = history_->calls[number];
  if (!call.settled && open_.size() > kMaxOpen) {
    call.owner = kNone;
    if (call.wanted) ++crowded_;
    return;
  }
  if (!call.settled) {
    FindCandidates(call);
    call.contested = !candidates_.empty();
    if (call.wanted && candidates_.size() > 1) ++ambiguous_;
    call.owner = kNone;
    if (mode_ != Mode::kAny) {
      if (!candidates_.empty()) Decide(number, model_->LogBackground(call.callee));
      return;
    }
    call.owner = ChooseAny(call);
  }
  Track* track = TrackOf(call.owner);
  if (track == nullptr) return;
  if (track->cluster == kNone) {
    track->track.Take(call, *model_, *states_);
    return;
  }
  Cluster& cluster = clusters_[track->cluster];
  const uint32_t member = cluster.MemberOf(call.owner);
  cluster.Follow(member, call, *model_, *states_);
  AfterChange(track->cluster, call.start_ns);
}

void CallTracker::Branch(uint32_t number, PendingCall pending,
                         const std::vector<uint32_t>& plausible, bool background_plausible,
                         float background) {
  const Call& call = history_->calls[number];
  uint32_t home = kNone;
  for (const uint32_t i : plausible)
    if (home == kNone) home = open_[candidates_[i].open].cluster;
  if (home == kNone) home = NewCluster();
  for (const uint32_t i : plausible) {
    Track& track = open_[candidates_[i].open];
    if (track.cluster == home) continue;
    if (track.cluster == kNone) {
      clusters_[home].Join(track.request, track.track);
      track.cluster = home;
      continue;
    }
    const uint32_t other = track.cluster;
    for (const uint32_t member : clusters_[other].members()) TrackOf(member)->cluster = home;
    for (const PendingCall& p : clusters_[other].pending()) cluster_of_call_[p.call] = home;
    clusters_[home].Merge(clusters_[other], 2 * keep_);
    free_clusters_.push_back(other);
  }
  WeighChoices(home, call, plausible, background_plausible, background);
  cluster_of_call_[number] = home;
  if (call.wanted) ++wanted_pending_;
  clusters_[home].Branch(std::move(pending), call, choices_, *model_, *states_, keep_);
  if (clusters_[home].pending().size() > kMaxPending)
    clusters_[home].Force(call.start_ns, *model_, *states_);
  Absorb(home);
}

void CallTracker::AfterChange(uint32_t cluster, int64_t now) {
  clusters_[cluster].Settle(now, keep_, *model_, *states_);
  Absorb(cluster);
}

// Takes over what a cluster has settled.
void CallTracker::Absorb(uint32_t number) {
  Cluster& cluster = clusters_[number];
  for (const Cluster::Decided& decided : cluster.decided()) {
    cluster_of_call_[decided.call.call] = kNone;
    if (history_->calls[decided.call.call].wanted) --wanted_pending_;
    Commit(decided.call, decided.owner);
  }
  for (const Cluster::Released& released : cluster.released())
    if (Track* track = TrackOf(released.request); track != nullptr) {
      track->cluster = kNone;
      track->track = released.track;
    }
  cluster.decided().clear();
  cluster.released().clear();
  if (!cluster.empty()) return;
  cluster.Reset();
  free_clusters_.push_back(number);
}

uint32_t CallTracker::NewCluster() {
  if (free_clusters_.empty()) {
    free_clusters_.push_back(static_cast<uint32_t>(clusters_.size()));
    clusters_.emplace_back();
  }
  const uint32_t number = free_clusters_.back();
  free_clusters_.pop_back();
  clusters_[number].Reset();
  return number;
}

}  // namespace weft::plugins::delay
