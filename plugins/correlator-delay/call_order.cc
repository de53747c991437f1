// The part of CallTracker that asks whose turn it is: order of queues, and threads.
#include <algorithm>
#include <cmath>

#include "plugins/correlator-delay/call_tracker.h"

namespace weft::plugins::delay {
namespace {

constexpr float kBlocks = 10.0f;  // an older one stands in the way unless so much less due
constexpr float kDue = 1e-5f;     // of the hazard of the one that is most due

double Microseconds(int64_t ns) { return static_cast<double>(ns) * 1e-3; }

}  // namespace

// How candidate `i` stands to an output, as far as threads tell.
Stand CallTracker::StandOf(size_t i, const Place& output) const {
  const TrackState& mine = *candidates_[i].track;
  if (!threads_ || mine.place == nullptr) return {};
  Stand stand{states_->last(mine.state),
              Microseconds(output.at - mine.at),
              RelationOf(*mine.place, output),
              Turn::kAlone,
              mine.place->thread,
              output.thread};
  if (stand.relation == Relation::kUnknown) return stand;
  for (const Candidate& c : candidates_) {
    if (&c == &candidates_[i] || c.last != stand.last || !c.nested ||
        c.track->place->thread != mine.place->thread)
      continue;
    if (c.track->at < mine.at) {
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

void CallTracker::LearnStandsOf(const PendingCall& pending, uint32_t owner) {
  for (uint32_t i = pending.first; i < pending.first + pending.count; ++i) {
    const Alternative& a = alternatives_[i];
    if (pending.candidates > 1)
      order_->continuity.Observe(pending.callee, stands_[i], a.owner == owner);
    else if (a.owner == owner)
      order_->continuity.ObserveOwner(pending.callee, stands_[i]);
  }
}

// The queues of those that are due at all.
void CallTracker::FindQueues() {
  queues_.clear();
  due_.clear();
  float top = 1e-20f;
  for (size_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].nested) top = std::max(top, relative_hazard_[i]);
  for (uint32_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& c = candidates_[i];
    if (!c.nested || relative_hazard_[i] < kDue * top) continue;
    Due due{i, 0, open_[c.open].request, c.track->at, relative_hazard_[i]};
    while (due.queue < queues_.size() && queues_[due.queue].last != c.last) ++due.queue;
    if (due.queue == queues_.size())
      queues_.push_back({c.last, due});
    else if (Older(due, queues_[due.queue].oldest))
      queues_[due.queue].oldest = due;
    due_.push_back(due);
  }
}

// How much of its hazard is left to one that is due where older ones go first.
float CallTracker::ShareInTurn(const Due& mine) const {
  const float* const factors = &factors_[mine.queue * queues_.size()];
  float share = 1;
  for (size_t q = 0; q < queues_.size(); ++q) {
    const Due& oldest = queues_[q].oldest;
    if (!Older(oldest, mine)) continue;
    const float blocks = std::min(kBlocks * oldest.hazard / mine.hazard, 1.0f);
    share = std::min(share, 1 - blocks * (1 - factors[q]));
  }
  return share;
}

// The one that waits longest goes first, by learned factors; normalised over all, so it can help
// only where it is true.
void CallTracker::WeighOrder(Outcome outcome) {
  share_.assign(candidates_.size(), 0.0f);
  FindQueues();
  if (due_.size() < 2) return;
  factors_.clear();
  for (const Queue& mine : queues_)
    for (const Queue& other : queues_)
      factors_.push_back(order_->OvertakeFactor(outcome, mine.last, other.last));
  float all = 0, left = 0;
  for (const Due& due : due_) {
    const float share = ShareInTurn(due);
    share_[due.candidate] = share;
    all += due.hazard;
    left += due.hazard * share;
  }
  order_norm_ = all / left;
}

float CallTracker::OrderBonus(size_t i) const {
  return share_[i] > 0 ? std::log(share_[i] * order_norm_) : 0;
}

// Who waited when the call began, for when its owner is known.
void CallTracker::NoteWaiters(PendingCall& pending) {
  pending.first_waiter = static_cast<uint32_t>(waiters_.size());
  if (due_.size() < 2) return;
  for (const Due& due : due_)
    waiters_.push_back({due.request, queues_[due.queue].last, due.at, due.hazard});
  pending.waiters = static_cast<uint32_t>(due_.size());
}

void CallTracker::LearnOrder(const PendingCall& pending, uint32_t owner) {
  if (pending.waiters > 0)
    order_->Learn(pending.callee, {&waiters_[pending.first_waiter], pending.waiters}, owner);
}

}  // namespace weft::plugins::delay
