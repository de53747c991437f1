#include "engine/stitch/link_join.h"

#include <algorithm>

#include "engine/api/ids.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"

namespace weft::stitch {
namespace {

constexpr int kTickBits = 27;  // 134 ms
// For a second asker, whose agent is slower. A first one may come for as long as the horizon.
constexpr int64_t kKeepAnswered = 5 * kSecond;
constexpr int64_t kSweepEvery = kSecond;
constexpr int64_t kStepsPerSweep = 64;  // so that no transaction has to look at all entries

// Wraps after two hours, of which no entry lives more than the horizon; ages are differences.
uint16_t Tick(int64_t append_ns) { return static_cast<uint16_t>(append_ns >> kTickBits); }

}  // namespace

LinkJoin::LinkJoin(uint32_t partitions, int64_t horizon_ns, Metrics& metrics)
    : horizon_ns_(horizon_ns),
      conflicts_(metrics.Get("stitch.link_conflicts")),
      foreign_(metrics.Get("stitch.foreign_wants")),
      too_many_(metrics.Get("stitch.too_many_links")),
      watermarks_(partitions, INT64_MIN) {
  WEFT_CHECK(partitions < kNobody && horizon_ns >> kTickBits < INT16_MAX);
}

int64_t LinkJoin::watermark() const {
  return *std::min_element(watermarks_.begin(), watermarks_.end());
}

LinkJoin::Entry& LinkJoin::Touch(uint64_t wire_id, int64_t append_ns) {
  Entry& entry = entries_[wire_id];
  entry.seen = Tick(append_ns);
  return entry;
}

bool LinkJoin::KeepTrace(Entry& e, api::TraceId trace) {
  if (free_traces_.empty() && traces_.size() >= kMaxTraces) {
    too_many_.Add();
    return false;
  }
  if (free_traces_.empty()) {
    traces_.push_back(trace);
    e.trace = static_cast<uint32_t>(traces_.size()) & kMaxTraces;
  } else {
    e.trace = (free_traces_.back() + 1) & kMaxTraces;
    traces_[free_traces_.back()] = trace;
    free_traces_.pop_back();
  }
  return true;
}

void LinkJoin::Consume(const api::LinkBatch& b, int64_t append_ns, std::vector<LinkAnswer>* out) {
  for (size_t i = 0; i < b.size(); ++i) {
    if (i + 8 < b.size()) entries_.Prefetch(b.wire_id[i + 8]);
    const auto what = static_cast<api::LinkWhat>(b.what[i]);
    if (what == api::LinkWhat::kExists) Exists(b, i, append_ns, out);
    if (what == api::LinkWhat::kWant) Want(b, i, append_ns, out);
  }
  if (b.from_partition < watermarks_.size())
    watermarks_[b.from_partition] = std::max(watermarks_[b.from_partition], b.watermark_ns);
}

void LinkJoin::Exists(const api::LinkBatch& b, size_t i, int64_t append_ns,
                      std::vector<LinkAnswer>* out) {
  Entry& e = Touch(b.wire_id[i], append_ns);
  e.exists = 1;
  if ((b.trace_hi[i] | b.trace_lo[i]) == 0) return;
  if (e.known()) {
    // Ids are immutable: the first one stands.
    const api::TraceId& known = traces_[e.trace - 1];
    if (known.hi != b.trace_hi[i] || known.lo != b.trace_lo[i]) conflicts_.Add();
    return;
  }
  if (!KeepTrace(e, {b.trace_hi[i], b.trace_lo[i]})) return;
  if (b.span_id[i] != api::SpanId(b.wire_id[i], api::Side::kClient)) {
    e.own_id = 1;
    own_ids_[b.wire_id[i]] = b.span_id[i];
  }
  // After a root was answered the asker hears of its parent after all, and keeps a link to it.
  if (e.waits || e.root) Answer(b.wire_id[i], e, out);
}

void LinkJoin::Want(const api::LinkBatch& b, size_t i, int64_t append_ns,
                    std::vector<LinkAnswer>* out) {
  // Of a deployment with more partitions: there is nobody to answer.
  if (b.partition[i] >= watermarks_.size()) return foreign_.Add();
  Entry& e = Touch(b.wire_id[i], append_ns);
  if ((b.flags[i] & api::kLinkOption) != 0) e.option = 1;
  if (e.asker == kNobody) {
    e.asker = static_cast<uint16_t>(b.partition[i]);
  } else if (e.asker != b.partition[i]) {
    const auto same = [&](const Asker& a) {
      return a.wire_id == b.wire_id[i] && a.partition == b.partition[i];
    };
    if (std::none_of(more_.begin(), more_.end(), same))
      more_.push_back({b.wire_id[i], b.partition[i]});
    e.more = 1;
  }
  if (e.known() || e.root || ((b.flags[i] & api::kLinkUncovered) != 0 && !e.exists)) {
    if (!e.known()) e.root = 1;
    Answer(b.wire_id[i], e, out);
    return;
  }
  if (!e.waits) ++waiting_;
  e.waits = 1;
  if (!e.exists) rootless_.push_back({append_ns, b.wire_id[i]});
}

void LinkJoin::Answer(uint64_t wire_id, Entry& e, std::vector<LinkAnswer>* out) {
  if (e.waits) --waiting_;
  e.waits = 0;
  uint64_t span_id = 0;
  api::TraceId trace;
  if (e.known()) {
    e.answered = 1;
    trace = traces_[e.trace - 1];
    span_id = e.own_id ? own_ids_[wire_id] : api::SpanId(wire_id, api::Side::kClient);
  }
  const uint32_t flags =
      (e.root && e.known() ? api::kLinkLate : 0) | (e.option ? api::kLinkOption : 0);
  out->push_back({e.asker, wire_id, span_id, trace.hi, trace.lo, flags});
  if (!e.more) return;
  for (const Asker& a : more_)
    if (a.wire_id == wire_id)
      out->push_back({a.partition, wire_id, span_id, trace.hi, trace.lo, flags});
}

void LinkJoin::Settle(int64_t log_now, std::vector<LinkAnswer>* out) {
  const int64_t passed = watermark();
  while (!rootless_.empty() && rootless_.front().append_ns <= passed) {
    const uint64_t wire_id = rootless_.front().wire_id;
    rootless_.pop_front();
    Entry* e = entries_.Find(wire_id);
    if (e == nullptr || !e->waits || e->exists) continue;
    e->root = 1;
    Answer(wire_id, *e, out);
  }
  Expire(log_now);
}

void LinkJoin::Expire(int64_t log_now) {
  if (entries_.empty() || log_now < next_sweep_ns_) return;
  const int64_t step = kSweepEvery / kStepsPerSweep;
  int64_t steps = kStepsPerSweep;
  if (next_sweep_ns_ != INT64_MIN) steps = std::min(steps, (log_now - next_sweep_ns_) / step + 1);
  next_sweep_ns_ = log_now + step;
  const auto too_old = [&](uint64_t wire_id, const Entry& e) {
    const auto age = static_cast<int16_t>(Tick(log_now) - e.seen);
    const int64_t keep = e.answered ? std::min(kKeepAnswered, horizon_ns_) : horizon_ns_;
    if (age <= keep >> kTickBits) return false;
    if (e.more) std::erase_if(more_, [&](const Asker& a) { return a.wire_id == wire_id; });
    if (e.own_id) own_ids_.Erase(wire_id);
    if (e.known()) free_traces_.push_back(e.trace - 1);
    if (e.waits) --waiting_;
    return true;
  };
  const auto some = static_cast<size_t>(steps) * (entries_.slots() / kStepsPerSweep + 1);
  sweep_at_ = entries_.Sweep(sweep_at_, some, too_old);
}

}  // namespace weft::stitch
