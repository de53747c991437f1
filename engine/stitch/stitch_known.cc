// What is known of rows before they are read: what a take-over reads back from the logs, and what
// was decided about spans that the engine ended because their agent was silent.
#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {

using transport::RecordType;

void StitchPartition::Impl::Restore(const transport::Record& record) {
  if (record.type == RecordType::kAgentLedger) return;
  if (record.type == RecordType::kStageLedger) {
    auto ledger = api::DecodeStageLedger(record.payload);
    if (!ledger) return Dead(record, ledger.error());
    return ledger_.Restore(*ledger);
  }
  if (record.type == RecordType::kCorrelatorState) {
    if (auto state = api::DecodeState(record.payload)) {
      chain_->Load(*state);
      restored_states_[state->process_id] = state->decided_ns;
    }
    return;
  }
  auto labels = api::DecodeLabels(record.payload);
  if (!labels) return Dead(record, labels.error());
  for (size_t i = 0; i < labels->size(); ++i) {
    if ((labels->what[i] & api::kLabelAlias) != 0) continue;
    LoggedLabel& l = logged_[labels->exchange[i]];
    if ((labels->what[i] & api::kLabelParent) != 0) {
      l.parent_id = labels->parent_id[i];
      l.parent_exchange = labels->parent_exchange[i];
      l.confidence = labels->confidence[i];
      l.evidence = labels->evidence[i];
    }
    if (labels->parent_id[i] != 0) l.parent_id = labels->parent_id[i];
    if ((labels->trace_hi[i] | labels->trace_lo[i]) != 0) {
      l.trace_hi = labels->trace_hi[i];
      l.trace_lo = labels->trace_lo[i];
    }
    l.span_id = labels->span_id[i];
    if ((labels->what[i] & api::kLabelEmitted) != 0) l.flags &= ~uint32_t{WEFT_FLAG_AGENT_LOST};
    l.flags |= labels->flags[i];
    l.what |= labels->what[i];
  }
  for (size_t i = 0; i < labels->process_id.size(); ++i) {
    const auto [decided, fresh] = logged_decided_.Insert(labels->process_id[i]);
    *decided = fresh ? labels->decided_ns[i] : std::max(*decided, labels->decided_ns[i]);
  }
}

// Takes over what the log says about the exchange; false: nothing.
bool StitchPartition::Impl::ApplyLogged(uint32_t number, bool* emitted) {
  LoggedLabel* l = logged_.Find(rows_[number].exchange);
  if (l == nullptr) return false;
  count_.restored.Add();
  Row& r = rows_[number];
  const KnownTrace* gone = nullptr;  // its parent's
  r.flags |= static_cast<uint16_t>(l->flags &
                                   (WEFT_FLAG_LATE | WEFT_FLAG_LOCAL_ROOT | WEFT_FLAG_DEADLINE));
  if ((l->what & api::kLabelTrace) != 0) {
    if (r.span_id != l->span_id) r.wire_span = 0;
    r.span_id = l->span_id;
    r.state |= kFinalId;
  }
  if ((l->what & api::kLabelParent) != 0) {
    r.parent_id = l->parent_id;
    r.confidence = l->confidence;
    r.evidence = static_cast<uint16_t>(l->evidence);
    r.state |= kLogParent;
    // The id that an SDK gave it was adopted when it was decided.
    const api::EventColumns& s = rows_.Columns(r);
    if (r.is(kFinalId) && !r.server() && s.context_span_id.present() && l->span_id != 0 &&
        s.context_span_id[r.row] == l->span_id) {
      r.wire_span = 0;
      r.span_id = l->span_id;
    }
    if (l->parent_exchange != 0) {
      r.parent = rows_.Find(l->parent_exchange);
      if (r.parent == kNone) gone = FindGoneParent(*l);
      if (gone != nullptr) {
        r.parent_id = gone->span_id;
      } else if (r.parent == kNone && (chain_learns_ || (l->trace_hi | l->trace_lo) == 0)) {
        r.state |= kAwaitsParent;
        orphans_.emplace(l->parent_exchange, OpenRow{number, r.age});
      }
    }
    r.state |= kDecided;
  }
  if ((l->what & api::kLabelEmittedOpen) != 0) rows_.MarkEmitted(number, kEmittedOpen);
  if ((l->what & api::kLabelEmitted) != 0) {
    r.state |= kDecided;
    const bool lost = (l->flags & WEFT_FLAG_AGENT_LOST) != 0;
    if (lost && !r.open()) {
      l->flags &= ~uint32_t{WEFT_FLAG_AGENT_LOST};  // its true end, once
    } else {
      *emitted = true;
      rows_.MarkEmitted(number, kEmitted);
      if (lost) r.flags |= WEFT_FLAG_AGENT_LOST;
    }
  }
  if ((l->what & api::kLabelTrace) != 0) {
    r.state |= kLogTrace;
    SetTrace(number, {l->trace_hi, l->trace_lo});
  } else if (r.is(kDecided) && !r.server() && (l->trace_hi | l->trace_lo) != 0) {
    SetTrace(number, {l->trace_hi, l->trace_lo});  // provisional when it was decided
  } else if (gone != nullptr) {
    SetTrace(number, gone->trace);  // now that it is decided: it may go out with that
  } else if (r.is(kDecided) && !r.server() && r.parent != kNone) {
    LinkTo(number, r.parent);
  }
  return true;
}

// Calls were decided before the trace of their request was known, and here that became known, and
// the request went, before they were read again.
void StitchPartition::Impl::NoteAwaitedParents() {
  logged_.ForEach([this](uint64_t, LoggedLabel& l) {
    if (l.parent_exchange == 0 || (l.trace_hi | l.trace_lo) != 0) return;
    KnownTrace& parent = *awaited_.Insert(l.parent_exchange).first;
    if (const LoggedLabel* p = logged_.Find(l.parent_exchange);
        p != nullptr && (p->what & api::kLabelTrace) != 0)
      parent = {p->span_id, {p->trace_hi, p->trace_lo}};
  });
}

const StitchPartition::Impl::KnownTrace* StitchPartition::Impl::FindGoneParent(
    const LoggedLabel& l) const {
  if ((l.trace_hi | l.trace_lo) != 0) return nullptr;
  const KnownTrace* parent = awaited_.Find(l.parent_exchange);
  return parent != nullptr && parent->span_id != 0 ? parent : nullptr;
}

// The agent may come back with the true end of a span that was ended without it, long after the row
// is gone: parent and trace must be the same then.
void StitchPartition::Impl::KeepLost(const Row& r) {
  logged_[r.exchange] = {.span_id = r.span_id,
                         .parent_id = r.parent_id,
                         .trace_hi = r.trace_hi,
                         .trace_lo = r.trace_lo,
                         .confidence = r.confidence,
                         .evidence = r.evidence,
                         .flags = r.flags,
                         .what = api::kLabelParent | api::kLabelTrace | api::kLabelEmitted};
  kept_lost_.emplace_back(log_now_, r.exchange);
}

void StitchPartition::Impl::ForgetLost() {
  while (!kept_lost_.empty() && kept_lost_.front().first <= log_now_ - config_.process_idle_ns) {
    logged_.Erase(kept_lost_.front().second);
    kept_lost_.pop_front();
  }
}

// The row's agent is back with its true end. True: the one that the engine gave it has not gone out
// yet; else both do, and the sinks keep the true one.
bool StitchPartition::Impl::TakeBackEnd(uint32_t number) {
  const bool in_hand = !rows_[number].is(kEmitted);
  if (in_hand) count_.ended_by_engine.Add(UINT64_MAX);  // one less
  rows_.TakeBackEnd(number);
  return in_hand;
}

}  // namespace weft::stitch
