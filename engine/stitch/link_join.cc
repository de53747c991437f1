#include "engine/stitch/link_join.h"

#include <algorithm>

namespace weft::stitch {

LinkJoin::LinkJoin(uint32_t partitions, int64_t horizon_ns, Metrics& metrics)
    : horizon_ns_(horizon_ns),
      conflicts_(metrics.Get("stitch.link_conflicts")),
      watermarks_(partitions, INT64_MIN) {}

int64_t LinkJoin::watermark() const {
  return *std::min_element(watermarks_.begin(), watermarks_.end());
}

LinkJoin::Entry& LinkJoin::Touch(uint64_t wire_id, int64_t append_ns) {
  const auto [entry, fresh] = entries_.Insert(wire_id);
  if (fresh) expiry_.push_back({append_ns, wire_id});
  entry->seen_ns = append_ns;
  return *entry;
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
  if ((b.trace_hi[i] | b.trace_lo[i]) == 0) {
    if (!e.known()) e.span_id = b.span_id[i];
    return;
  }
  if (e.known()) {
    // Ids are immutable: the first one stands.
    if (e.trace_hi != b.trace_hi[i] || e.trace_lo != b.trace_lo[i]) conflicts_.Add();
    return;
  }
  e.span_id = b.span_id[i];
  e.trace_hi = b.trace_hi[i];
  e.trace_lo = b.trace_lo[i];
  // After a root was answered the asker hears of its parent after all, and keeps a link to it.
  if (e.waits || e.root) Answer(b.wire_id[i], e, out);
}

void LinkJoin::Want(const api::LinkBatch& b, size_t i, int64_t append_ns,
                    std::vector<LinkAnswer>* out) {
  Entry& e = Touch(b.wire_id[i], append_ns);
  if (e.asker == UINT32_MAX) {
    e.asker = b.partition[i];
  } else if (e.asker != b.partition[i]) {
    const auto same = [&](const Asker& a) {
      return a.wire_id == b.wire_id[i] && a.partition == b.partition[i];
    };
    if (std::none_of(more_.begin(), more_.end(), same))
      more_.push_back({b.wire_id[i], b.partition[i]});
    e.more = 1;
  }
  if (e.known() || e.root || ((b.flags[i] & api::kLinkUncovered) != 0 && !e.exists)) {
    e.root = e.known() ? e.root : 1;
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
  const uint64_t span_id = e.known() ? e.span_id : 0;
  const uint32_t flags = e.root && e.known() ? api::kLinkLate : 0;
  out->push_back({e.asker, wire_id, span_id, e.trace_hi, e.trace_lo, flags});
  if (!e.more) return;
  for (const Asker& a : more_)
    if (a.wire_id == wire_id)
      out->push_back({a.partition, wire_id, span_id, e.trace_hi, e.trace_lo, flags});
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
  while (!expiry_.empty() && expiry_.front().append_ns < log_now - horizon_ns_) {
    const Stamp old = expiry_.front();
    expiry_.pop_front();
    Entry* e = entries_.Find(old.wire_id);
    if (e == nullptr) continue;
    if (e->seen_ns > old.append_ns) {  // used since: a later look
      expiry_.push_back({std::max(e->seen_ns, expiry_.empty() ? 0 : expiry_.back().append_ns),
                         old.wire_id});
      continue;
    }
    if (e->more) std::erase_if(more_, [&](const Asker& a) { return a.wire_id == old.wire_id; });
    if (e->waits) --waiting_;
    entries_.Erase(old.wire_id);
  }
}

}  // namespace weft::stitch
