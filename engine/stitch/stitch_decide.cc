// Windows: when one is decided, what is in its view, and what later ones still need.
#include <algorithm>
#include <bit>

#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {
namespace {

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0); }

struct Key {
  int64_t start_ns;
  uint64_t exchange;
  uint32_t row;
  uint8_t role;
  bool operator<(const Key& o) const {
    return start_ns != o.start_ns ? start_ns < o.start_ns : exchange < o.exchange;
  }
};

bool Before(const Row& a, const Row& b) {
  return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.exchange < b.exchange;
}

}  // namespace

// By (start, exchange).
void StitchPartition::Impl::SortByStart(std::vector<uint32_t>& numbers) {
  if (numbers.size() < 2) return;
  const auto before = [this](uint32_t a, uint32_t b) { return Before(rows_[a], rows_[b]); };
  int64_t first = INT64_MAX, last = INT64_MIN;
  bool sorted = true;
  sort_items_.clear();
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i + kPrefetch < numbers.size()) rows_.PrefetchRow(numbers[i + kPrefetch]);
    const int64_t start = rows_[numbers[i]].start_ns;
    sorted =
        sorted && (start > last || i == 0 || (start == last && before(numbers[i - 1], numbers[i])));
    first = std::min(first, start);
    last = std::max(last, start);
    sort_items_.emplace_back(static_cast<uint64_t>(start), numbers[i]);
  }
  if (sorted) return;
  // To some 100 ns, which takes two passes; few are as near to each other as that.
  constexpr int kBits = 22;
  const auto range =
      static_cast<int>(std::bit_width(static_cast<uint64_t>(last) - static_cast<uint64_t>(first)));
  for (SortItem& item : sort_items_)
    item.key = (item.key - static_cast<uint64_t>(first)) >> std::max(range - kBits, 0);
  RadixSort(sort_items_, sort_scratch_);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = sort_items_[i].value;
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && sort_items_[end].key == sort_items_[i].key) ++end;
    if (end - i > 1)
      std::sort(numbers.begin() + static_cast<ptrdiff_t>(i),
                numbers.begin() + static_cast<ptrdiff_t>(end), before);
    i = end;
  }
}

int64_t StitchPartition::Impl::WatermarkOf(const Process& process) const {
  int64_t lowest = INT64_MAX;
  if (finished_) return lowest;
  for (const uint32_t a : process.agents) {
    const Agent& agent = const_cast<AgentTable&>(agents_)[a];
    if (!agent.gone()) lowest = std::min(lowest, agent.watermark_ns);
  }
  return lowest;
}

// Where its agents are gone, one of them without a word, there may be more than was read.
bool StitchPartition::Impl::MayBeIncomplete(const Process& process, int64_t until_ns) const {
  AgentTable& agents = const_cast<AgentTable&>(agents_);
  return std::ranges::any_of(process.agents, [&](uint32_t a) {
    return agents[a].lost && !agents[a].last && agents[a].watermark_ns < until_ns;
  });
}

void StitchPartition::Impl::Advance(Agent& agent) {
  for (const uint32_t number : agent.processes) DecideUpTo(number, WatermarkOf(processes_[number]));
}

void StitchPartition::Impl::DecideUpTo(uint32_t number, int64_t watermark) {
  if (watermark == INT64_MIN) return;
  const int64_t width = config_.window_ns;
  const bool all = watermark == INT64_MAX;
  const int64_t target =
      all ? INT64_MAX : FloorDiv(watermark - config_.lookahead_ns, width) * width;
  Process& p = processes_[number];
  while (!p.buckets.empty()) {
    const auto first = p.buckets.begin();
    const int64_t window = first->first;
    if (!all && (window + 1) * width > target) break;
    if (cancelled_) return;
    hurried_ = all && !finished_ && MayBeIncomplete(p, (window + 1) * width + config_.lookahead_ns);
    std::vector<uint32_t> bucket = std::move(first->second);
    p.buckets.erase(first);
    p.bucket = nullptr;
    --open_windows_;
    DecideWindow(number, window, std::move(bucket));
  }
  hurried_ = false;
  if (!all) p.decided_ns = std::max(p.decided_ns, target);
  SaveIfDue(p, target);
  if (!p.before.empty()) PruneBefore(p, target);
}

void StitchPartition::Impl::DecideWindow(uint32_t number, int64_t window,
                                         std::vector<uint32_t> bucket) {
  Process& p = processes_[number];
  const int64_t begin = window * config_.window_ns;
  const int64_t end = begin + config_.window_ns;
  const int64_t horizon = end + config_.lookahead_ns;
  // Views after a take-over are those of the first time, and so is what is learned from them.
  const bool again = end <= p.logged_ns;
  SaveIfDue(p, begin);
  if (!p.before.empty()) PruneBefore(p, begin);
  SortByStart(bucket);
  size_t calls = 0;
  for (const uint32_t n : bucket) calls += !rows_[n].server() && (again || !rows_[n].is(kDecided));
  const bool servers = !p.before.empty() || calls != bucket.size();
  if (!again) count_.windows.Add();
  if (calls != 0 && !servers) {
    members_.clear();
    for (const uint32_t n : bucket) members_.push_back({n, WEFT_ROLE_DECIDE});
    NoteContexts();
    for (const uint32_t n : bucket) Unlink(n);
    contexts_.clear();
  } else if (calls != 0) {
    if (chain_learns_) {
      if (!p.unsaved) HoldInput(p, bucket);
      p.learned_ns = end;
      if (again) count_.relearned.Add();
    }
    members_.clear();
    for (const uint32_t n : p.before)
      if (!rows_[n].is(kAwaitsParent)) members_.push_back({n, WEFT_ROLE_BEFORE});
    for (const uint32_t n : bucket) members_.push_back({n, WEFT_ROLE_DECIDE});
    // Where nobody looks ahead, what lies there is only asked which spans' contexts it carries.
    const bool ahead = chain_reads_ahead_ || p.carries_context;
    for (auto& [later, rows] : p.buckets) {
      if (!ahead || later * config_.window_ns >= horizon) break;
      SortByStart(rows);
      for (const uint32_t n : rows)
        if (rows_[n].start_ns < horizon) members_.push_back({n, WEFT_ROLE_AHEAD});
    }
    DecideMembers(horizon);
  }
  p.decided_ns = std::max(p.decided_ns, end);
  for (const uint32_t n : bucket) {
    Row& r = rows_[n];
    r.state &= static_cast<uint16_t>(~kUndecidedWindow);
    if (r.server() && (r.open() || rows_.EndOf(n) >= end)) r.state |= kRetained;
  }
  for (const uint32_t n : bucket) {
    if (rows_[n].server() && !rows_[n].is(kRetained)) {
      QueueFree(n);
    } else {
      Retain(p, n, end);
    }
  }
  if (calls != 0 && !again) outbox_.Decided(p.id, p.decided_ns);
}

// Requires: members_ is a view in (start, exchange) order.
void StitchPartition::Impl::DecideMembers(int64_t horizon_ns) {
  const weft_spans& view = columns_.Gather(rows_, members_, horizon_ns);
  const LinkDecider& decider = chain_->Decide(view);
  NoteContexts();
  for (const LinkDecision& d : decider.decisions()) ApplyDecision(d, decider);
  contexts_.clear();
}

void StitchPartition::Impl::NoteContexts() {
  contexts_.clear();
  for (const Member& m : members_) {
    const Row& r = rows_[m.row];
    if ((r.flags & WEFT_FLAG_CONTEXT) == 0) continue;
    const api::EventColumns& s = rows_.Columns(r);
    if (!s.context_span_id.present()) continue;
    contexts_.push_back({s.context_span_id[r.row], !r.server(), r.start_ns, r.exchange});
  }
  std::sort(contexts_.begin(), contexts_.end());
}

void StitchPartition::Impl::ApplyDecision(const LinkDecision& d, const LinkDecider& decider) {
  const uint32_t child = members_[d.child].row;
  Row& c = rows_[child];
  if (c.is(kDecided)) {
    const uint32_t parent = d.parent == WEFT_NONE ? kNone : members_[d.parent].row;
    if (parent != c.parent) count_.relearned_otherwise.Add();
    return;
  }
  if (hurried_) c.flags |= WEFT_FLAG_DEADLINE;
  if (d.n_weighed != 0) {
    CandidateNote notes[LinkDecider::kMaxWeighed];
    for (uint32_t i = 0; i < d.n_weighed; ++i) {
      const WeighedCandidate& w = decider.weighed()[d.first_weighed + i];
      notes[i] = {rows_[members_[w.row].row].span_id, w.log_odds, w.evidence};
    }
    c.candidates = emitter_.KeepCandidates(notes, d.n_weighed);
  }
  if (d.parent == WEFT_NONE) return Unlink(child);
  count_.calls.Add();
  c.confidence = d.confidence;
  c.evidence = static_cast<uint16_t>(d.evidence);
  c.state |= kDecided;
  const uint32_t parent = members_[d.parent].row;
  AdoptSdkId(child);
  LinkTo(child, parent);
}

void StitchPartition::Impl::Unlink(uint32_t number) {
  Row& r = rows_[number];
  if (r.is(kDecided)) return;
  if (hurried_) r.flags |= WEFT_FLAG_DEADLINE;
  count_.calls.Add();
  count_.unlinked.Add();
  r.state |= kDecided;
  SettleRoot(number);
  QueueLabel(number);
}

void StitchPartition::Impl::LinkTo(uint32_t child, uint32_t parent) {
  Row& c = rows_[child];
  Row& p = rows_[parent];
  c.parent = parent;
  c.parent_id = p.span_id;
  if (p.is(kResolved)) {
    SetTrace(child, {p.trace_hi, p.trace_lo});
    return QueueLabel(child);
  }
  QueueLabel(child);
  c.waiting = p.waiting;
  p.waiting = child;
}

// Calls that came after their window was decided: against what is still held.
void StitchPartition::Impl::DecideLate(uint32_t number) {
  Process& p = processes_[number];
  const std::vector<uint32_t> late = std::move(p.late);
  p.late.clear();
  std::vector<Key> keys;
  const auto add = [&](uint32_t n, uint8_t role) {
    keys.push_back({rows_[n].start_ns, rows_[n].exchange, n, role});
  };
  int64_t latest = INT64_MIN;
  for (const uint32_t n : late) latest = std::max(latest, rows_[n].start_ns);
  for (const uint32_t n : late) add(n, WEFT_ROLE_DECIDE);
  for (const uint32_t n : p.before) add(n, WEFT_ROLE_BEFORE);
  for (const auto& [window, rows] : p.buckets)
    for (const uint32_t n : rows)
      if (rows_[n].server() && rows_[n].start_ns <= latest) add(n, WEFT_ROLE_AHEAD);
  std::sort(keys.begin(), keys.end());
  members_.clear();
  for (const Key& k : keys) members_.push_back({k.row, k.role});
  DecideMembers(INT64_MAX);
  for (const uint32_t n : late) Retain(p, n, p.decided_ns);
}

// A decided row is held for windows that begin at from_ns or later, if they may still need it: a
// server span that is open then, and the calls of such a one.
void StitchPartition::Impl::Retain(Process& p, uint32_t number, int64_t from_ns) {
  Row& r = rows_[number];
  bool needed = false;
  if (r.server()) {
    needed = r.is(kRetained) || r.open() || rows_.EndOf(number) >= from_ns;
  } else {
    const bool held = r.is(kAwaitsParent) || (r.parent != kNone && rows_[r.parent].is(kRetained));
    needed = held && r.start_ns >= from_ns - config_.before_ns;
  }
  if (!needed) return QueueFree(number);
  r.state |= kRetained;
  if (p.before.empty() || Before(rows_[p.before.back()], r)) {
    p.before.push_back(number);
  } else {
    const auto at =
        std::upper_bound(p.before.begin(), p.before.end(), number,
                         [this](uint32_t a, uint32_t b) { return Before(rows_[a], rows_[b]); });
    p.before.insert(at, number);
  }
}

void StitchPartition::Impl::PruneBefore(Process& p, int64_t from_ns) {
  for (const uint32_t n : p.before) {
    Row& r = rows_[n];
    if (r.server() && !r.open() && rows_.EndOf(n) < from_ns)
      r.state &= static_cast<uint16_t>(~kRetained);
  }
  for (const uint32_t n : p.before) {
    Row& r = rows_[n];
    if (r.server()) continue;
    const bool held = r.is(kAwaitsParent) || (r.parent != kNone && rows_[r.parent].is(kRetained));
    if (!held || r.start_ns < from_ns - config_.before_ns)
      r.state &= static_cast<uint16_t>(~kRetained);
  }
  std::erase_if(p.before, [this](uint32_t n) {
    if (rows_[n].is(kRetained)) return false;
    QueueFree(n);
    return true;
  });
}

// On leaving: the next owner need not learn anything again.
void StitchPartition::Impl::SaveStates() {
  for (Process& p : processes_)
    if (p.unsaved) SaveState(p);
}

// What is logged holds no input back any more, so a chain that learns may follow one that does not.
void StitchPartition::Impl::Replace(std::vector<ChainLink> chain, Metrics& metrics) {
  SaveStates();
  auto next = std::make_unique<CorrelatorChain>(std::move(chain), config_, metrics, logger_);
  for (const Process& p : processes_) {
    if (p.forgotten) continue;
    states_.clear();
    chain_->Save(p.id, p.learned_ns, &states_);
    for (const auto& state : states_) next->Load(state);
  }
  chain_ = std::move(next);
  chain_learns_ = chain_->learns();
  chain_reads_ahead_ = chain_->reads_ahead();
  columns_ = WindowColumns(chain_->columns());
}

// Between the windows that begin before a multiple of the period and those that begin after it, in
// every run alike.
void StitchPartition::Impl::SaveIfDue(Process& p, int64_t next_ns) {
  const int64_t period = config_.save_state_every_ns;
  if (p.unsaved && FloorDiv(next_ns, period) > FloorDiv(p.learned_ns - 1, period)) SaveState(p);
}

void StitchPartition::Impl::SaveState(Process& p) {
  p.unsaved = false;
  states_.clear();
  chain_->Save(p.id, p.learned_ns, &states_);
  for (const auto& state : states_) outbox_.State(state);
}

// Until what is learned from now on is saved, the input that it comes from is kept.
void StitchPartition::Impl::HoldInput(Process& p, const std::vector<uint32_t>& bucket) {
  p.unsaved = true;
  p.needs_offset = next_offset_;
  p.needs_append_ns = input_ns_;
  const auto hold = [&](const std::vector<uint32_t>& rows) {
    for (const uint32_t n : rows) {
      const HeldBatch& b = rows_.batch(rows_[n].batch);
      if (b.offset >= p.needs_offset || b.append_ns < input_ns_ - config_.max_pin_ns) continue;
      p.needs_offset = b.offset;
      p.needs_append_ns = b.append_ns;
    }
  };
  hold(p.before);
  hold(bucket);
  for (const auto& [window, rows] : p.buckets) hold(rows);
}

uint64_t StitchPartition::Impl::OffsetToLearnAgain(int64_t not_before, uint64_t next) const {
  if (!config_.taken_over) return next;
  for (const Process& p : processes_)
    if (p.unsaved && p.needs_append_ns >= not_before) next = std::min(next, p.needs_offset);
  return next;
}

}  // namespace weft::stitch
