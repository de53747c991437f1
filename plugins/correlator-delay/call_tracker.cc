#include "plugins/correlator-delay/call_tracker.h"

#include <algorithm>

namespace weft::plugins::delay {
namespace {

constexpr size_t kMaxSupposed = 32;
constexpr int64_t kMaxSupposedNs = 10'000'000'000;
constexpr float kSurelyOver = -7.0f;  // log share of requests that are not

// A supposed request lives for one run, however that ends: what it owned belongs to nobody then.
struct SupposedEnd {
  ProcessHistory& history;
  ~SupposedEnd() {
    for (Call& c : history.calls)
      if (c.owner != kNone && c.owner >= history.requests.size()) c.owner = kNone;
  }
};

}  // namespace

void CallTracker::Run(ProcessHistory& history, const RequestModel& model, RequestStates& states,
                      QueueOrder& order, const EarlierVoices& voices, Mode mode, size_t keep,
                      int64_t until) {
  const SupposedEnd end{history};
  history_ = &history;
  model_ = &model;
  states_ = &states;
  order_ = &order;
  voices_ = &voices;
  mode_ = mode;
  keep_ = keep;
  open_.clear();
  weighed_.clear();
  alternatives_.clear();
  stands_.clear();
  waiters_.clear();
  position_.assign(history.requests.size(), kNone);
  cluster_of_call_.assign(history.calls.size(), kNone);
  wanted_pending_ = ambiguous_ = crowded_ = used_clusters_ = supposed_open_ = 0;
  effort_ = 0;
  free_clusters_.clear();
  unseen_ = states.Unseen();

  const bool decide = mode == Mode::kDecide;
  timeline_.Take(history, decide ? history.window_begin : INT64_MIN,
                 decide ? history.window_end : until, model.slack());
  if (decide && threads_) timeline_.More();
  if (threads_) FindPlaces();
  size_t next = 0;
  for (bool more = false;; more = true) {
    const auto& events = timeline_.events();
    for (; next < events.size(); ++next) {
      const Timeline::Event& e = events[next];
      if (decide && e.at > history.window_end && wanted_pending_ == 0) break;
      switch (e.what) {
        case Timeline::kBegin: OnBegin(e.number); break;
        case Timeline::kCall: OnCall(e.number); break;
        case Timeline::kEnd: OnEnd(e.number, e.at); break;
        default: OnResponse(e.number, e.at);
      }
    }
    if (more || !decide || threads_ || wanted_pending_ == 0) break;
    timeline_.More();
  }
  const int64_t now = next == 0 ? 0 : timeline_.events()[next - 1].at;
  for (uint32_t c = 0; c < used_clusters_; ++c) {
    if (clusters_[c].empty()) continue;
    clusters_[c].Force(now, model, states, alternatives_);
    Absorb(c);
  }
}

void CallTracker::OnBegin(uint32_t number) {
  const Request& request = history_->requests[number];
  position_[number] = static_cast<uint32_t>(open_.size());
  Track& track = open_.emplace_back(number, kNone);
  track.track.state = states_->Start(request.operation);
  track.track.at = track.track.until = request.start_ns;
  track.track.end = request.end_ns;
  track.track.place = &request.begin_place;
  track.track.FindRest(*model_, *states_);
}

// A request that was lost on its way here, known by its calls only. Its number is none of the
// history's; no end of it will be seen.
uint32_t CallTracker::SupposeRequest(const Call& call) {
  static constexpr Place kNowhere{};
  if (threads_ || supposed_open_ >= kMaxSupposed) return kNone;
  const auto number = static_cast<uint32_t>(position_.size());
  position_.push_back(static_cast<uint32_t>(open_.size()));
  Track& track = open_.emplace_back(number, kNone);
  track.track.state = unseen_;
  track.track.at = track.track.until = call.start_ns;
  track.track.end = TrackState::kUnseen;
  track.track.place = &kNowhere;
  ++supposed_open_;
  return number;
}

// Those that have most likely ended.
void CallTracker::ForgetSupposed(int64_t now) {
  if (supposed_open_ == 0) return;
  for (size_t i = open_.size(); i-- > 0;) {
    const Track& t = open_[i];
    if (!Supposed(t.request) || t.cluster != kNone) continue;
    const size_t bin = model_->bins().Of(now - t.track.at);
    if (now - t.track.at > kMaxSupposedNs ||
        model_->LogSurvival(states_->last(t.track.state), bin) < kSurelyOver)
      Close(t.request);
  }
}

// Where each event stands in its thread's stream. An event before the window keeps the place that
// it had when all around it was in view.
void CallTracker::FindPlaces() {
  threads_seen_.clear();
  for (const Timeline::Event& e : timeline_.events()) {
    const bool request = e.what == Timeline::kBegin || e.what == Timeline::kEnd;
    const bool begin = e.what == Timeline::kBegin || e.what == Timeline::kCall;
    const bool output = e.what == Timeline::kCall || e.what == Timeline::kEnd;
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
  if (open_.size() > 1) WeighEnd(request);
  if (number != kNone) {
    Cluster& cluster = clusters_[number];
    cluster.End(cluster.MemberOf(request), history_->requests[request].end_ns, end_bonus_, *model_,
                *states_);
  }
  Close(request);
  if (number != kNone) AfterChange(number, at);
}

void CallTracker::Close(uint32_t request) {
  const uint32_t at = position_[request];
  if (Supposed(request)) --supposed_open_;
  open_[at] = open_.back();
  position_[open_[at].request] = at;
  open_.pop_back();
  position_[request] = kNone;
}

void CallTracker::OnResponse(uint32_t number, int64_t at) {
  const Call& call = history_->calls[number];
  if (const uint32_t cluster = cluster_of_call_[number]; cluster != kNone) {
    clusters_[cluster].Answer(number, kNone, call.callee, call.end_ns, &call.end_place, *states_);
    AfterChange(cluster, at);
    return;
  }
  Track* track = TrackOf(call.owner);
  if (track == nullptr) return;
  if (track->cluster == kNone) {
    track->track.Answer(call.callee, call.end_ns, &call.end_place, *states_);
    return;
  }
  Cluster& cluster = clusters_[track->cluster];
  cluster.Answer(number, cluster.MemberOf(call.owner), call.callee, call.end_ns, &call.end_place,
                 *states_);
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
    ForgetSupposed(call.start_ns);
    open_.reserve(open_.size() + 1);  // candidates point into it
    call.contested = OpenRequests() > 0;
    if ((call.wanted || mode_ != Mode::kDecide) && OpenRequests() > 1) ++ambiguous_;
    call.owner = kNone;
    if (!open_.empty()) {
      Decide(number, {LogBackground(call.callee)});
    } else if ((call.owner = SupposeRequest(call)) != kNone) {
      TrackOf(call.owner)->track.Take(call, *model_, *states_);
    }
    return;
  }
  Track* track = TrackOf(call.owner);
  if (track == nullptr) return;
  if (track->cluster == kNone) {
    track->track.Take(call, *model_, *states_);
    return;
  }
  Cluster& cluster = clusters_[track->cluster];
  cluster.Follow(cluster.MemberOf(call.owner), call, *model_, *states_);
  AfterChange(track->cluster, call.start_ns);
}

float CallTracker::LogBackground(uint32_t callee) const {
  const CallRates& rates = model_->rates();
  return mode_ == Mode::kSearch ? rates.LogSupposed(callee) : rates.LogBackground(callee);
}

// The plausible requests and their clusters become one; returns it.
uint32_t CallTracker::JoinPlausible(uint32_t supposed) {
  uint32_t home = kNone;
  for (const uint32_t i : plausible_)
    if (home == kNone) home = open_[candidates_[i].open].cluster;
  if (home == kNone) home = NewCluster();
  for (const uint32_t i : plausible_) {
    Track& track = open_[candidates_[i].open];
    if (track.cluster == home) continue;
    if (track.cluster == kNone) {
      Join(home, track);
      continue;
    }
    const uint32_t other = track.cluster;
    for (const uint32_t member : clusters_[other].members()) TrackOf(member)->cluster = home;
    for (const PendingCall& p : clusters_[other].pending()) cluster_of_call_[p.call] = home;
    clusters_[home].Merge(clusters_[other], 2 * keep_, alternatives_);
    free_clusters_.push_back(other);
  }
  if (supposed != kNone) Join(home, *TrackOf(supposed));
  return home;
}

void CallTracker::Join(uint32_t home, Track& track) {
  clusters_[home].Join(track.request, track.track);
  track.cluster = home;
}

void CallTracker::Branch(const PendingCall& pending, const Background& background) {
  const Call& call = history_->calls[pending.call];
  const uint32_t home = JoinPlausible(background.request);
  clusters_[home].Weigh(call.start_ns, *model_, *states_);
  WeighChoices(home, call, background);
  cluster_of_call_[pending.call] = home;
  if (call.wanted) ++wanted_pending_;
  Cluster& cluster = clusters_[home];
  effort_ += choices_.size();
  cluster.Branch(pending, call, choices_, *model_, *states_, keep_, alternatives_);
  if (cluster.pending().size() > kMaxPending || cluster.members().size() > kMaxMembers)
    cluster.Force(call.start_ns, *model_, *states_, alternatives_);
  Absorb(home);
}

void CallTracker::AfterChange(uint32_t cluster, int64_t now) {
  effort_ += clusters_[cluster].hypotheses().size();
  clusters_[cluster].Settle(now, keep_, *model_, *states_, alternatives_);
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
      if (released.track.state == unseen_) Close(released.request);
    }
  cluster.decided().clear();
  cluster.released().clear();
  if (!cluster.empty()) return;
  cluster.Reset();
  free_clusters_.push_back(number);
}

uint32_t CallTracker::NewCluster() {
  uint32_t number = 0;
  if (free_clusters_.empty()) {
    number = static_cast<uint32_t>(used_clusters_++);
    if (number == clusters_.size()) clusters_.emplace_back();
  } else {
    number = free_clusters_.back();
    free_clusters_.pop_back();
  }
  clusters_[number].Reset();
  return number;
}

}  // namespace weft::plugins::delay
