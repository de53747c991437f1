#include "engine/stitch/link_join.h"

#include <algorithm>

#include "engine/api/ids.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"

namespace weft::stitch {
namespace {

constexpr int kTickBits = 30;  // 1.07 s
// For a second asker, whose agent is slower. A first one may come for as long as the horizon.
constexpr int64_t kKeepAnswered = 3 * kSecond;
constexpr int64_t kHistory = 120 * kSecond;
constexpr int64_t kSilence = 2 * kSecond;  // of a partition that runs
constexpr int64_t kSweepEvery = kSecond;
constexpr int64_t kStepsPerSweep = 64;  // so that no transaction has to look at all entries

// Wraps after 19 hours; what is compared are differences of less than half of that.
constexpr int64_t kFarAhead = 9 * 3600 * kSecond;
constexpr int64_t kLeap = 3600 * kSecond;
uint16_t Tick(int64_t input_ns) { return static_cast<uint16_t>(input_ns >> kTickBits); }

}  // namespace

LinkJoin::LinkJoin(uint32_t partitions, int64_t horizon_ns, Metrics& metrics, size_t max_entries)
    : horizon_ns_(horizon_ns),
      max_entries_(max_entries),
      conflicts_(metrics.Get("stitch.link_conflicts")),
      foreign_(metrics.Get("stitch.foreign_wants")),
      too_many_(metrics.Get("stitch.too_many_links")),
      forgotten_(metrics.Get("stitch.links_forgotten")),
      rootless_(partitions),
      watermarks_(partitions, INT64_MIN),
      complete_(partitions, INT64_MIN),
      read_(partitions, INT64_MIN),
      heard_(partitions, INT64_MIN) {
  WEFT_CHECK(partitions > 0 && partitions < kNobody);
}

int64_t LinkJoin::watermark() const {
  return *std::min_element(watermarks_.begin(), watermarks_.end());
}

LinkJoin::Entry& LinkJoin::Touch(uint64_t wire_id, int64_t input_ns) {
  const auto [entry, fresh] = entries_.Insert(wire_id);
  const uint16_t seen = Tick(input_ns);
  // Said again by a new owner, who is still behind the one before.
  if (fresh || static_cast<int16_t>(seen - entry->seen) > 0) entry->seen = seen;
  return *entry;
}

bool LinkJoin::KeepTrace(Entry& e, uint64_t trace_hi, uint64_t trace_lo) {
  if (free_traces_.empty() && traces_.size() >= kMaxTraces) {
    too_many_.Add();
    return false;
  }
  if (free_traces_.empty()) {
    traces_.emplace_back(trace_hi, trace_lo);
    e.word |= static_cast<uint32_t>(traces_.size());
  } else {
    const uint32_t number = free_traces_.back();
    free_traces_.pop_back();
    traces_[number].hi = trace_hi;
    traces_[number].lo = trace_lo;
    e.word |= number + 1;
  }
  return true;
}

void LinkJoin::Consume(const api::LinkBatch& b, int64_t append_ns, std::vector<LinkAnswer>* out) {
  int64_t input_ns = b.input_ns != 0 ? b.input_ns : append_ns;
  if (forget_ns_ != INT64_MIN) input_ns = std::min(input_ns, forget_ns_ + kFarAhead);
  newest_ns_ = std::max(newest_ns_, input_ns);
  constexpr size_t kAhead = 20;  // an entry is worked on in less time than a line takes to arrive
  for (size_t i = 0; i < b.size(); ++i) {
    if (i + kAhead < b.size()) entries_.Prefetch(b.wire_id[i + kAhead]);
    const auto what = static_cast<api::LinkWhat>(b.what[i]);
    if (what == api::LinkWhat::kExists) Exists(b, i, input_ns, out);
    if (what == api::LinkWhat::kWant) Want(b, i, input_ns, out);
  }
  if (b.from_partition >= watermarks_.size()) return;
  watermarks_[b.from_partition] = std::max(watermarks_[b.from_partition], b.watermark_ns);
  if (b.watermark_ns != INT64_MIN)
    complete_[b.from_partition] =
        std::max(complete_[b.from_partition], b.watermark_ns - b.silent_ns);
  // Who answers only, because it waits for others, reads on no more than one that is silent. (A new
  // owner begins further back, or has read nothing yet.)
  int64_t& read = read_[b.from_partition];
  if (b.input_ns == 0 || b.input_ns != read) heard_[b.from_partition] = append_ns;
  if (b.input_ns != 0) read = b.input_ns;
}

int64_t LinkJoin::OthersRead(uint32_t partition) const {
  int64_t least = INT64_MAX;
  for (size_t p = 0; p < read_.size(); ++p)
    if (p != partition) least = std::min(least, read_[p]);
  return least;
}

void LinkJoin::Exists(const api::LinkBatch& b, size_t i, int64_t input_ns,
                      std::vector<LinkAnswer>* out) {
  Entry& e = Touch(b.wire_id[i], input_ns);
  e.Set(kExists);
  if ((b.trace_hi[i] | b.trace_lo[i]) == 0) return;
  if (e.known()) {
    // Ids are immutable: the first one stands.
    const api::TraceId& known = traces_[e.trace() - 1];
    if (known.hi != b.trace_hi[i] || known.lo != b.trace_lo[i]) conflicts_.Add();
    return;
  }
  if (!KeepTrace(e, b.trace_hi[i], b.trace_lo[i])) return;
  if (b.span_id[i] != 0) {
    e.Set(kOwnId);
    own_ids_[b.wire_id[i]] = b.span_id[i];
  }
  // After a root was answered the asker hears of its parent after all, and keeps a link to it.
  if (e.is(kWaits | kRoot)) Answer(b.wire_id[i], e, out);
}

void LinkJoin::Want(const api::LinkBatch& b, size_t i, int64_t input_ns,
                    std::vector<LinkAnswer>* out) {
  // Of a deployment with more partitions: there is nobody to answer.
  if (b.partition[i] >= watermarks_.size()) return foreign_.Add();
  Entry& e = Touch(b.wire_id[i], input_ns);
  if ((b.flags[i] & api::kLinkOption) != 0) e.Set(kOption);
  if (e.asker == kNobody) {
    e.asker = static_cast<uint16_t>(b.partition[i]);
  } else if (e.asker != b.partition[i]) {
    const auto same = [&](const Asker& a) {
      return a.wire_id == b.wire_id[i] && a.partition == b.partition[i];
    };
    if (std::none_of(more_.begin(), more_.end(), same))
      more_.push_back({b.wire_id[i], b.partition[i]});
    e.Set(kMore);
  }
  if (e.known() || e.is(kRoot) || ((b.flags[i] & api::kLinkUncovered) != 0 && !e.is(kExists))) {
    if (!e.known()) e.Set(kRoot);
    Answer(b.wire_id[i], e, out);
    return;
  }
  if (!e.is(kWaits)) ++waiting_;
  e.Set(kWaits);
  if (e.is(kExists)) return;
  auto& waiting = rootless_[std::min<size_t>(b.from_partition, rootless_.size() - 1)];
  if (!waiting.empty()) input_ns = std::max(input_ns, waiting.back().input_ns);
  waiting.push_back({input_ns, b.wire_id[i]});
}

void LinkJoin::Answer(uint64_t wire_id, Entry& e, std::vector<LinkAnswer>* out) {
  if (e.is(kWaits)) --waiting_;
  e.Unset(kWaits);
  uint64_t span_id = 0, trace_hi = 0, trace_lo = 0;
  if (e.known()) {
    e.Set(kAnswered);
    trace_hi = traces_[e.trace() - 1].hi;
    trace_lo = traces_[e.trace() - 1].lo;
    span_id = e.is(kOwnId) ? own_ids_[wire_id] : 0;
  }
  const uint32_t flags = (e.is(kRoot) && e.known() ? api::kLinkLate : 0) |
                         (e.is(kOption) ? api::kLinkOption : 0) |
                         (e.is(kSilent) && !e.known() ? api::kLinkSilent : 0);
  out->emplace_back(e.asker, wire_id, span_id, trace_hi, trace_lo, flags);
  if (!e.is(kMore)) return;
  for (const Asker& a : more_)
    if (a.wire_id == wire_id)
      out->emplace_back(a.partition, wire_id, span_id, trace_hi, trace_lo, flags);
}

void LinkJoin::Settle(int64_t log_now, std::vector<LinkAnswer>* out) {
  const int64_t passed = watermark();
  const int64_t complete = *std::ranges::min_element(complete_);
  for (auto& waiting : rootless_)
    while (!waiting.empty() && waiting.front().input_ns <= passed) {
      const auto [input_ns, wire_id] = waiting.front();
      waiting.pop_front();
      Entry* e = entries_.Find(wire_id);
      if (e == nullptr || !e->is(kWaits) || e->is(kExists)) continue;
      e->Set(kRoot);
      e->Unset(kSilent);
      if (input_ns > complete) e->Set(kSilent);
      Answer(wire_id, *e, out);
    }
  Expire(log_now);
}

void LinkJoin::NoteWatermark() {
  const int64_t heard = *std::ranges::min_element(heard_);
  if (heard <= all_heard_ns_) return;
  if (all_heard_ns_ != INT64_MIN) time_ns_ += std::min(heard - all_heard_ns_, kSilence);
  all_heard_ns_ = heard;
  const int64_t passed = watermark();
  if (passed == INT64_MAX) return;  // the end: what is left is not worth forgetting
  if (!history_.empty() && time_ns_ < history_.back().time_ns + kSweepEvery) return;
  history_.push_back({time_ns_, passed});
  const int64_t keep_ns = std::max(horizon_ns_, kHistory);
  while (history_.size() > 1 && history_[1].time_ns <= time_ns_ - keep_ns) history_.pop_front();
}

int64_t LinkJoin::WatermarkBefore(int64_t ns) const {
  for (auto it = history_.rbegin(); it != history_.rend(); ++it)
    if (it->time_ns <= time_ns_ - ns) return it->watermark_ns;
  return INT64_MIN;
}

// Goes once what all partitions had read a while ago: who asks had had that long to be heard, and
// what asks belongs to what was read by then. So a backlog is forgotten no sooner than live input.
void LinkJoin::Expire(int64_t log_now) {
  NoteWatermark();
  if (entries_.empty() || log_now < next_sweep_ns_) return;
  const int64_t step = kSweepEvery / kStepsPerSweep;
  int64_t steps = kStepsPerSweep;
  if (next_sweep_ns_ != INT64_MIN) steps = std::min(steps, (log_now - next_sweep_ns_) / step + 1);
  next_sweep_ns_ = log_now + step;
  // By leaps that a sweep keeps up with: a tick says little about what is hours away.
  const auto advance = [](int64_t* to, int64_t ns) {
    if (ns > *to) *to = *to == INT64_MIN ? ns : std::min(ns, *to + kLeap / kStepsPerSweep);
  };
  advance(&forget_ns_, WatermarkBefore(horizon_ns_));
  advance(&forget_answered_ns_, WatermarkBefore(std::min(kKeepAnswered, horizon_ns_)));
  const bool too_many = entries_.size() > max_entries_;
  if (too_many) forget_ns_ = std::max(forget_ns_, newest_ns_ - kFarAhead) + kSecond;
  const auto older = [](const Entry& e, int64_t than_ns) {
    return than_ns != INT64_MIN && static_cast<int16_t>(Tick(than_ns) - e.seen) > 0;
  };
  const auto too_old = [&](uint64_t wire_id, const Entry& e) {
    if (!older(e, forget_ns_) && !(e.is(kAnswered) && older(e, forget_answered_ns_))) return false;
    if (too_many) forgotten_.Add();
    if (e.is(kMore)) std::erase_if(more_, [&](const Asker& a) { return a.wire_id == wire_id; });
    if (e.is(kOwnId)) own_ids_.Erase(wire_id);
    if (e.known()) free_traces_.push_back(e.trace() - 1);
    if (e.is(kWaits)) --waiting_;
    return true;
  };
  const auto some = static_cast<size_t>(steps) * (entries_.slots() / kStepsPerSweep + 1);
  sweep_at_ = entries_.Sweep(sweep_at_, some, too_old);
}

}  // namespace weft::stitch
