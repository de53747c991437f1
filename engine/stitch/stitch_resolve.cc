// Ids and traces: who asks whom, who waits for whom, and when a span is complete.
#include <algorithm>

#include "engine/api/ids.h"
#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {

// Where a peer is, looked up once per address and record.
uint8_t StitchPartition::Impl::PeerOf(const HeldBatch& batch, uint32_t address) {
  if (peers_of_ != batch.serial) {
    peers_of_ = batch.serial;
    peers_.assign(batch.columns().n_strings, 0);
  }
  uint8_t& peer = peers_[address];
  if (peer == 0) {
    const std::string_view text = batch.columns().Text(address);
    const bool inside = networks_.Contains(text);
    peer = kPeerKnown;
    if (inside) peer |= kPeerInside;
    if (inside || agents_.HasAddress(text)) peer |= kPeerCovered;
  }
  return peer;
}

bool StitchPartition::Impl::PeerIsCovered(const Row& r) {
  const auto peer = static_cast<uint32_t>(rows_.Columns(r).remote_address[r.row]);
  return (PeerOf(rows_.batch(r.batch), peer) & kPeerCovered) != 0;
}

// The row's id is final, or became so just now: the other side of the exchange may hear of it.
void StitchPartition::Impl::Announce(uint32_t number) {
  Row& r = rows_[number];
  if (!r.is(kFinalId) || r.is(kEmitted)) return;
  if (r.server()) return AnnounceServer(number);
  if (r.is(kTraced)) return TryResolve(number);
  Offer(r, 0, 0);
  if (r.is(kDecided) && r.parent == kNone && !r.is(kAwaitsParent)) SettleRoot(number);
}

void StitchPartition::Impl::AnnounceServer(uint32_t number) {
  Row& r = rows_[number];
  const api::EventColumns& s = rows_.Columns(r);
  if ((r.flags & WEFT_FLAG_CONTEXT) != 0 && !r.is(kTraced) && s.context_trace_hi.present())
    SetTrace(number, {s.context_trace_hi[r.row], s.context_trace_lo[r.row]});
  if (r.is(kTraced)) TryResolve(number);
  if (r.is(kDecided) || r.is(kAsked)) return;
  // After a take-over the log knows the id of a row whose wire id is still to be read again.
  if (WireOf(r) == 0 && (r.flags & WEFT_FLAG_PROVISIONAL) != 0) return;
  // Anybody can send an id that he has seen: like a trace context it is believed of peers inside
  // the networks, or at a watched address, only.
  if (const uint64_t option = OptionOf(r); option != 0 && PeerIsCovered(r))
    return Ask(number, option, api::kLinkOption);
  AskByWire(number);
}

// A call is found by either of its keys.
void StitchPartition::Impl::Offer(const Row& r, uint64_t trace_hi, uint64_t trace_lo) {
  if (const uint64_t wire = WireOf(r))
    outbox_.Exists(wire, r.wire_span ? 0 : r.span_id, trace_hi, trace_lo);
  if (const uint64_t option = OptionOf(r)) outbox_.Exists(option, r.span_id, trace_hi, trace_lo);
}

void StitchPartition::Impl::Ask(uint32_t number, uint64_t key, uint32_t flags) {
  rows_[number].state |= kAsked;
  const auto [asker, fresh] = asking_.Insert(key);
  if (!fresh && *asker != kNone && *asker != number) {
    // Equal keys of two requests: anybody can send an option with another connection's id.
    same_keys_.emplace(key, number);
    count_.same_keys.Add();
    return;
  }
  *asker = number;
  if (const KeptAnswer* kept = kept_answers_.Find(key)) {
    const KeptAnswer answer = *kept;
    kept_answers_.Erase(key);
    return OnAnswer(key, answer.span_id, answer.trace, answer.flags);
  }
  outbox_.Want(key, flags);
}

std::vector<uint32_t> StitchPartition::Impl::TakeSameKeys(uint64_t key) {
  if (same_keys_.empty()) return {};
  std::vector<uint32_t> askers;
  const auto [begin, end] = same_keys_.equal_range(key);
  for (auto it = begin; it != end; ++it) askers.push_back(it->second);
  same_keys_.erase(begin, end);
  return askers;
}

void StitchPartition::Impl::AskByWire(uint32_t number) {
  const Row& r = rows_[number];
  const uint64_t wire = WireOf(r);
  if (wire == 0) return AnswerServer(number, 0, {});
  Ask(number, wire, PeerIsCovered(r) ? 0 : api::kLinkUncovered);
}

void StitchPartition::Impl::OnAnswer(uint64_t wire_id, uint64_t span_id, const api::TraceId& trace,
                                     uint32_t flags) {
  if (span_id == 0 && trace.valid()) span_id = api::SpanId(wire_id, api::Side::kClient);
  if (finished_) patience_since_ns_ = log_now_;
  const uint32_t* asked = asking_.Find(wire_id);
  if (asked != nullptr) {
    const uint32_t number = *asked;
    asking_.EraseAt(asked);
    if (number != kNone) {
      // The call's agent may have missed the option: the sequence numbers are asked next.
      const bool again = span_id == 0 && (flags & api::kLinkOption) != 0;
      const std::vector<uint32_t> others = TakeSameKeys(wire_id);
      count_.answers.Add(again ? 0 : 1 + others.size());
      again ? AskByWire(number) : AnswerServer(number, span_id, trace, flags);
      for (const uint32_t other : others)
        again ? AskByWire(other) : AnswerServer(other, span_id, trace, flags);
      return;
    }
    if (span_id == 0) return;  // the deadline had said the same
  } else if ((flags & api::kLinkLate) == 0) {
    return KeepAnswer(wire_id, span_id, trace, flags);  // a repetition, or read again
  } else {
    KeepAnswer(wire_id, span_id, trace, flags);
  }
  // Ids in weft.spans are immutable: the root stays one, and the log keeps where it belongs.
  count_.late_answers.Add();
  if ((flags & api::kLinkOption) != 0) return;  // only the wire id tells the server span's id
  const uint64_t server = api::SpanId(wire_id, api::Side::kServer);
  outbox_.Label(api::kLabelAlias, 0, server, span_id, 0, trace.hi, trace.lo, 1.0F,
                WEFT_EVIDENCE_WIRE, 0);
}

// "A root" is not kept: that the links' partition remembers, and it may know better by now.
void StitchPartition::Impl::KeepAnswer(uint64_t key, uint64_t span_id, api::TraceId trace,
                                       uint32_t flags) {
  if (span_id == 0) return;
  kept_answers_[key] = {span_id, trace, flags};
  answer_ages_.emplace_back(log_now_, key);
}

void StitchPartition::Impl::ForgetAnswers() {
  while (!answer_ages_.empty() &&
         answer_ages_.front().first <= log_now_ - config_.links_horizon_ns) {
    const uint64_t key = answer_ages_.front().second;
    answer_ages_.pop_front();
    kept_answers_.Erase(key);
    // The deadline answered it and nobody else ever did.
    if (const uint32_t* row = asking_.Find(key); row != nullptr && *row == kNone)
      asking_.Erase(key);
  }
}

// The wire has spoken: span_id 0 means that nobody weft watches made this call.
void StitchPartition::Impl::AnswerServer(uint32_t number, uint64_t span_id,
                                         const api::TraceId& trace, uint32_t flags) {
  Row& r = rows_[number];
  r.state &= static_cast<uint16_t>(~kAsked);
  if (r.is(kDecided)) return;
  if (span_id == 0 && (flags & api::kLinkSilent) != 0) r.flags |= WEFT_FLAG_DEADLINE;
  const api::EventColumns& s = rows_.Columns(r);
  const bool context = (r.flags & WEFT_FLAG_CONTEXT) != 0 && s.context_span_id.present();
  const bool same_trace = !r.is(kTraced) || (trace.hi == r.trace_hi && trace.lo == r.trace_lo);
  r.state |= kDecided;
  if (span_id != 0 && same_trace) {
    r.parent_id = span_id;
    r.confidence = 1;
    r.evidence = WEFT_EVIDENCE_WIRE;
    if (context) r.evidence |= WEFT_EVIDENCE_CONTEXT;
  } else if (context) {
    r.parent_id = s.context_span_id[r.row];
    r.confidence = 1;
    r.evidence = WEFT_EVIDENCE_CONTEXT;
    if (span_id != 0) count_.context_conflicts.Add();
    if (span_id == 0) r.flags |= WEFT_FLAG_LOCAL_ROOT;
  } else {
    r.flags |= WEFT_FLAG_LOCAL_ROOT;
    count_.roots.Add();
  }
  if (!r.is(kTraced)) {
    SetTrace(number, span_id != 0 ? trace : api::RootTraceId(r.span_id));
  } else {
    MaybeEmit(number);
    QueueLabel(number);
  }
}

// A call without a cause here. An SDK may have given it a trace.
void StitchPartition::Impl::SettleRoot(uint32_t number) {
  Row& r = rows_[number];
  if (!r.is(kFinalId) || r.is(kTraced)) return;
  const api::EventColumns& s = rows_.Columns(r);
  r.flags |= WEFT_FLAG_LOCAL_ROOT;
  count_.roots.Add();
  if ((r.flags & WEFT_FLAG_CONTEXT) != 0 && s.context_trace_hi.present()) {
    AdoptSdkId(number);
    SetTrace(number, {s.context_trace_hi[r.row], s.context_trace_lo[r.row]});
  } else {
    SetTrace(number, api::RootTraceId(r.span_id));
  }
}

void StitchPartition::Impl::SetTrace(uint32_t number, const api::TraceId& trace) {
  Row& r = rows_[number];
  r.trace_hi = trace.hi;
  r.trace_lo = trace.lo;
  r.state |= kTraced;
  TryResolve(number);
}

// Tells the children, once trace and id are final. Only server spans have children here and those
// have none, so this goes one level deep and no further.
void StitchPartition::Impl::TryResolve(uint32_t number) {
  Row& r = rows_[number];
  if (r.is(kResolved)) return MaybeEmit(number);
  if (!r.is(kTraced | kFinalId)) {
    // Its parent may be gone by the time its id is final: the log must know the trace before that.
    if (r.is(kTraced | kDecided)) QueueLabel(number);
    return;
  }
  r.state |= kResolved;
  if (!awaited_.empty() && r.server())
    if (KnownTrace* known = awaited_.Find(r.exchange))
      *known = {r.span_id, {r.trace_hi, r.trace_lo}};
  if (!r.server() && !r.is(kEmitted)) Offer(r, r.trace_hi, r.trace_lo);
  for (uint32_t child = r.waiting; child != kNone;) {
    Row& c = rows_[child];
    const uint32_t next = c.waiting;
    c.waiting = kNone;
    c.parent_id = r.span_id;
    c.trace_hi = r.trace_hi;
    c.trace_lo = r.trace_lo;
    c.state |= kTraced;
    TryResolve(child);
    child = next;
  }
  r.waiting = kNone;
  MaybeEmit(number);
  QueueLabel(number);
}

void StitchPartition::Impl::MaybeEmit(uint32_t number) {
  Row& r = rows_[number];
  if (r.open() || !r.is(kResolved | kDecided) || (r.state & (kEmitted | kEmitQueued)) != 0) return;
  r.state |= kEmitQueued;
  emitter_.Queue(number);
}

// A call whose outgoing context names a span that did not come in with any request in view was made
// by an SDK: it takes that id, unless a call before it did (an SDK counts a retry as the same
// span). Only what is in the view counts, so that every order and every partition says the same. A
// call whose wire id is not known when it is decided keeps its own id.
void StitchPartition::Impl::AdoptSdkId(uint32_t child) {
  Row& c = rows_[child];
  const api::EventColumns& s = rows_.Columns(c);
  if ((c.flags & WEFT_FLAG_CONTEXT) == 0 || !s.context_span_id.present() || !c.is(kFinalId)) return;
  const uint64_t id = s.context_span_id[c.row];
  const auto first =
      std::lower_bound(contexts_.begin(), contexts_.end(), SeenContext{.span_id = id});
  if (id == 0 || first == contexts_.end() || first->span_id != id || first->exchange != c.exchange)
    return;
  c.span_id = id;
  c.wire_span = 0;
  count_.sdk_spans.Add();
}

// What is emitted gets its label with that.
void StitchPartition::Impl::QueueLabel(uint32_t number) {
  Row& r = rows_[number];
  if ((r.state & (kLogQueued | kEmitQueued)) != 0) return;
  r.state |= kLogQueued;
  label_queue_.push_back(number);
}

// Goes with the next transaction, if nothing needs it by then.
void StitchPartition::Impl::QueueFree(uint32_t number) {
  Row& r = rows_[number];
  if (r.is(kFreeQueued) || !r.is(kEmitted) || (r.state & (kRetained | kUndecidedWindow)) != 0)
    return;
  r.state |= kFreeQueued;
  free_queue_.push_back(number);
}

// Spans that have been open for a while are shown as they are, once.
void StitchPartition::Impl::EmitLongOpen(Agent& agent) {
  auto& open = agent.open_rows;
  std::erase_if(
      open, [&](const OpenRow& o) { return rows_[o.row].age != o.age || !rows_[o.row].open(); });
  for (const OpenRow& o : open) {
    Row& r = rows_[o.row];
    if (!r.is(kResolved | kDecided) || (r.state & (kEmitted | kEmittedOpen | kEmitQueued)) != 0 ||
        r.start_ns > agent.watermark_ns - config_.open_emit_ns)
      continue;
    r.state |= kEmitQueued;
    emitter_.Queue(o.row);
  }
}

void StitchPartition::Impl::AdoptOrphans(uint32_t parent) {
  const auto [first, last] = orphans_.equal_range(rows_[parent].exchange);
  for (auto it = first; it != last; ++it) {
    Row& child = rows_[it->second.row];
    if (child.age != it->second.age || !child.is(kAwaitsParent)) continue;
    child.state &= static_cast<uint16_t>(~kAwaitsParent);
    child.parent = parent;
    if (!child.is(kTraced)) LinkTo(it->second.row, parent);
  }
  orphans_.erase(first, last);
}

}  // namespace weft::stitch
