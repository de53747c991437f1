// Records in: decoding, duplicates, rows into their processes.
#include <algorithm>

#include "engine/api/ids.h"
#include "engine/stitch/stitch_impl.h"

namespace weft::stitch {

using transport::RecordType;
using transport::Stream;

namespace {

constexpr int64_t kClockSlack = kSecond;  // a span that begins later than this ahead is nonsense
constexpr int64_t kLogGap = 2 * kSecond;
constexpr int64_t kOwnersTurn = 2 * kSecond;  // to append agent_lost

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0); }

}  // namespace

void StitchPartition::Impl::Dead(const transport::Record& record, const Error& error) {
  if (!ledger_.NoteDead(record)) return count_.dead_repeated.Add();
  count_.dead.Add();
  bad_records_.Warn(log_now_,
                    std::string(transport::StreamName(record.stream)) + ": " + error.message);
  outbox_.Raw({Stream::kDead, partition_, RecordType::kDeadRecord, 0,
               api::EncodeDead({static_cast<uint8_t>(record.stream), record.partition,
                                record.offset, error.message, record.payload->bytes()})});
}

void StitchPartition::Impl::Consume(const transport::Record& record) {
  count_.records.Add();
  log_now_ = std::max(log_now_, record.append_ns);
  if (record.stream == Stream::kLinks) return ConsumeLinks(record);
  ReadUpTo(record.append_ns);
  NoteSilence(record.append_ns);
  next_offset_ = record.offset + 1;
  if (record.type == RecordType::kEventBatch) return ConsumeEvents(record);
  if (record.type == RecordType::kAgentLost) return ConsumeAgentLost(record);
  Dead(record, Error{Code::kCorrupt, "not a record of this stream"});
}

void StitchPartition::Impl::ConsumeLinks(const transport::Record& record) {
  if (record.append_ns > links_again_until_ns_) links_again_until_ns_ = INT64_MIN;
  api::LinkBatch& links = link_batch_;
  if (auto decoded = api::DecodeLinks(record.payload, &links); !decoded)
    return Dead(record, decoded.error());
  const auto answer = [&](size_t i) {
    return i < links.size() && static_cast<api::LinkWhat>(links.what[i]) == api::LinkWhat::kAnswer;
  };
  uint32_t askers[kPrefetch];  // the rows that the next links may be for
  std::fill_n(askers, kPrefetch, kNone);
  for (size_t i = 0; i < links.size(); ++i) {
    if (answer(i + 3 * kPrefetch)) asking_.Prefetch(links.wire_id[i + 3 * kPrefetch]);
    uint32_t& asker = askers[i % kPrefetch];
    if (asker != kNone && rows_[asker].waiting != kNone) rows_.PrefetchRow(rows_[asker].waiting);
    const uint32_t* const row =
        answer(i + 2 * kPrefetch) ? asking_.Find(links.wire_id[i + 2 * kPrefetch]) : nullptr;
    asker = row == nullptr ? kNone : *row;
    if (asker != kNone) rows_.PrefetchRow(asker);
    if (answer(i))
      OnAnswer(links.wire_id[i], links.span_id[i], {links.trace_hi[i], links.trace_lo[i]},
               links.flags[i]);
  }
  join_.Consume(links, record.append_ns, &answers_);
}

void StitchPartition::Impl::ConsumeEvents(const transport::Record& record) {
  auto events = api::DecodeEventColumns(record.payload);
  if (!events) return Dead(record, events.error());
  unmeasured_bytes_ +=
      sizeof(HeldBatch) + record.payload->bytes().size() + events->columns.n * sizeof(Row);
  const uint32_t agent_number = agents_.FindOrAdd(events->header);
  uint64_t gap = 0;
  if (!AgentTable::NoteSequence(agents_[agent_number], events->header.sequence,
                                ledger_.SettledOf(events->header.agent_id), &gap))
    return count_.duplicate_batches.Add();
  if (gap != 0) count_.sequence_gaps.Add(gap);

  const api::EventHeader header = events->header;
  const size_t rows = events->columns.n;
  AgentTable::NoteOffset(agents_[agent_number], header, record.append_ns);
  if (rows != 0) {
    HeldBatch held;
    held.events = std::move(*events);
    held.offset = record.offset;
    held.append_ns = record.append_ns;
    held.log_offset_ns = agents_[agent_number].LogOffsetNs();
    held.agent = agent_number;
    held.processes.assign(held.columns().processes.n, kNone);
    const uint32_t batch = rows_.AddBatch(std::move(held));
    AdmitRows(batch, agent_number);
    rows_.DropIfEmpty(batch);
  } else {
    CountBatch(header, 0);
  }
  ledger_.NoteBatch(header, record.offset, rows);
  Agent& agent = agents_[agent_number];
  agents_.NoteBatch(agent, header, record.append_ns, config_.grace_ns);
  peers_of_ = 0;  // there may be new addresses
  if (header.last) EndOpenRows(agent_number, WEFT_FLAG_OPEN_AT_EXIT);
  Advance(agent);
  for (const uint32_t process : dirty_processes_) DecideLate(process);
  dirty_processes_.clear();
  EmitLongOpen(agent);
}

void StitchPartition::Impl::ConsumeAgentLost(const transport::Record& record) {
  auto lost = api::DecodeAgentLost(record.payload);
  if (!lost) return Dead(record, lost.error());
  const uint32_t number = agents_.Find(lost->agent_id);
  if (number == kNone) return;
  Agent& agent = agents_[number];
  // It spoke after the timer fired and before the record was appended: it is not lost.
  if (agent.gone() || agent.watermark_ns > lost->last_watermark_ns) return;
  LoseAgent(number);
}

void StitchPartition::Impl::LoseAgent(uint32_t number) {
  Agent& agent = agents_[number];
  agent.lost = true;
  ledger_.AgentLost(agent.id, agent.last_append_ns);
  count_.agents_lost.Add();
  logger_.Warn("agent of host " + agent.host_id + " fell silent; its open spans end here");
  EndOpenRows(number, WEFT_FLAG_AGENT_LOST);
  Advance(agent);
}

// In a backlog the log itself shows who fell silent; an owner who was there then would have
// appended agent_lost before this. Where nobody spoke the log was cut off, not one agent.
void StitchPartition::Impl::NoteSilence(int64_t append_ns) {
  if (append_ns - spoken_ns_ >= kLogGap) gap_end_ns_ = append_ns;
  spoken_ns_ = append_ns;
  if (append_ns < next_silence_ns_) return;
  next_silence_ns_ = append_ns + kSecond;
  for (uint32_t number = 0; number < agents_.size(); ++number) {
    const Agent& a = agents_[number];
    const int64_t since = std::max(a.last_append_ns, gap_end_ns_);
    if (!a.gone() && append_ns - since >= config_.agent_silence_ns + kOwnersTurn) LoseAgent(number);
  }
}

// The end is the last moment that the agent spoke of.
void StitchPartition::Impl::EndOpenRows(uint32_t agent_number, uint32_t flag) {
  Agent& agent = agents_[agent_number];
  std::vector<OpenRow> open = std::move(agent.open_rows);
  agent.open_rows.clear();
  for (const OpenRow& o : open) {
    Row& r = rows_[o.row];
    if (r.age != o.age || !r.open() || rows_.batch(r.batch).agent != agent_number) continue;
    rows_.ForceEnd(o.row, std::max(agent.now_ns, r.start_ns));
    if (!r.is(kFinalId)) {
      r.no_wire = 1;
      r.wire_span = 0;
      r.span_id = api::SpanId(r.exchange, r.server() ? api::Side::kServer : api::Side::kClient);
    }
    r.flags = static_cast<uint16_t>((r.flags & ~uint32_t{WEFT_FLAG_PROVISIONAL}) | flag);
    if (!r.is(kEmitted)) {
      count_.ended_by_engine.Add();
      CountPending();
    }
    NoteEnd(o.row);
  }
}

uint32_t StitchPartition::Impl::ProcessOf(uint32_t batch, uint32_t process, uint32_t agent) {
  HeldBatch& held = rows_.batch(batch);
  uint32_t& number = held.processes[process];
  if (number == kNone) {
    const uint64_t id = held.columns().processes.process_id[process];
    const auto [known, fresh] = process_by_id_.Insert(id);
    if (fresh) {
      *known = static_cast<uint32_t>(processes_.size());
      processes_.emplace_back();
      Process& p = processes_.back();
      p.id = id;
      if (const int64_t* decided = logged_decided_.Find(id)) p.decided_ns = *decided;
      if (chain_learns_) {
        const int64_t* learned = restored_states_.Find(id);
        p.logged_ns = p.decided_ns;
        p.decided_ns = std::min(p.logged_ns, learned == nullptr ? INT64_MIN : *learned);
      }
    }
    number = *known;
    Process& p = processes_[number];
    p.last_log_ns = std::max(p.last_log_ns, held.append_ns);
    p.forgotten = false;
    if (std::find(p.agents.begin(), p.agents.end(), agent) == p.agents.end()) {
      p.agents.push_back(agent);
      agents_[agent].processes.push_back(number);
    }
  }
  return number;
}

void StitchPartition::Impl::AdmitRows(uint32_t batch, uint32_t agent) {
  admitted_.Read(rows_.batch(batch).columns());
  const std::vector<uint64_t>& exchange = admitted_.exchange;
  const auto n = static_cast<uint32_t>(exchange.size());
  uint64_t ended = 0;
  for (uint32_t at = 0; at < n; ++at) ended += (admitted_.flags[at] & WEFT_FLAG_OPEN) == 0;
  CountBatch(rows_.batch(batch).events.header, ended);
  for (uint32_t at = 0; at < n; ++at) {
    if (const uint32_t next = at + kPrefetch; next < n) {
      rows_.PrefetchIndex(exchange[next]);
      if (admitted_.kind[next] == WEFT_KIND_SERVER) asking_.Prefetch(admitted_.wire_id[next]);
    }
    const auto [number, fresh] = rows_.FindOrAdd(exchange[at], batch, at);
    fresh ? AdmitNew(number, batch, at, agent) : AdmitAgain(number, batch, at, agent);
  }
}

void StitchPartition::Impl::Admitted::Read(const api::EventColumns& from) {
  const auto read = [&](const api::PackedColumn& column, auto& out) {
    out.resize(from.n);
    column.Expand(0, from.n, out.data());
  };
  read(from.exchange, exchange);
  read(from.wire_id, wire_id);
  read(from.start_ns, start_ns);
  read(from.flags, flags);
  read(from.process, process);
  read(from.kind, kind);
}

// Requires: the row's record is the one in admitted_.
void StitchPartition::Impl::ReadColumns(Row& r, uint32_t at) {
  const api::EventColumns& s = rows_.Columns(r);
  const uint32_t kept = r.flags & (WEFT_FLAG_LATE | WEFT_FLAG_LOCAL_ROOT | WEFT_FLAG_DEADLINE);
  r.flags = static_cast<uint16_t>((admitted_.flags[at] & ~uint32_t{WEFT_FLAG_LOCAL_ROOT}) | kept);
  if (admitted_.start_ns[at] == 0 && s.EndOf(at) == 0) r.flags |= WEFT_FLAG_OPEN;
  if (!r.open()) r.flags &= static_cast<uint16_t>(~WEFT_FLAG_PROVISIONAL);
  const bool outside =
      r.server() && (r.flags & WEFT_FLAG_CONTEXT) != 0 && s.remote_address.present() &&
      (PeerOf(rows_.batch(r.batch), static_cast<uint32_t>(s.remote_address[at])) & kPeerInside) ==
          0;
  if (outside) {
    r.flags &=
        static_cast<uint16_t>(~(WEFT_FLAG_CONTEXT | WEFT_FLAG_SAMPLED | WEFT_FLAG_UNSAMPLED));
    r.state |= kUntrusted;
  }
  if (r.is(kFinalId)) return;
  const uint64_t wire = admitted_.wire_id[at];
  r.span_id = s.span_id[at];
  r.wire_span = r.span_id == 0 && wire != 0;
  if (r.span_id == 0)
    r.span_id = api::SpanId(wire != 0 ? wire : r.exchange,
                            r.server() ? api::Side::kServer : api::Side::kClient);
  if ((r.flags & WEFT_FLAG_PROVISIONAL) == 0) r.state |= kFinalId;
}

void StitchPartition::Impl::AdmitNew(uint32_t number, uint32_t batch, uint32_t at, uint32_t agent) {
  Row& r = rows_[number];
  r.kind = admitted_.kind[at] & 7;
  r.start_ns = admitted_.start_ns[at];
  ReadColumns(r, at);
  if (r.is(kUntrusted)) count_.untrusted_context.Add();
  const uint32_t process = ProcessOf(batch, admitted_.process[at], agent);
  if ((r.flags & WEFT_FLAG_CONTEXT) != 0) processes_[process].carries_context = true;
  bool emitted = false;
  const bool logged = !logged_.empty() && ApplyLogged(number, &emitted);
  if (!r.open() && !emitted) {
    count_.spans.Add();
    CountPending();
  } else if (!r.open() && counting_) {
    ledger_.CountDuplicate();  // ended by the engine, before an owner before this one had its end
  }
  if (r.open()) agents_[agent].open_rows.push_back({number, r.age});
  const bool ahead = r.start_ns > rows_.batch(batch).events.header.now_ns + kClockSlack;
  Place(number, process, ahead);
  // A logged trace may have come from context: the parent is still to be asked for.
  if (!logged || !r.is(kResolved | kDecided)) Announce(number);
  if (!r.is(kFinalId) && !r.server()) provisional_calls_.push_back({number, r.age});
  if (!orphans_.empty() && r.server()) AdoptOrphans(number);
}

// A new row goes to its window, or to the late calls, or to what later windows need.
void StitchPartition::Impl::Place(uint32_t number, uint32_t process, bool too_late_for_windows) {
  Row& r = rows_[number];
  Process& p = processes_[process];
  const bool late = too_late_for_windows || r.start_ns < p.decided_ns;
  if (!late) {
    r.state |= kUndecidedWindow;
    // Most rows of a record begin in one or two windows.
    if (p.bucket == nullptr || r.start_ns < p.bucket_ns ||
        r.start_ns - p.bucket_ns >= config_.window_ns) {
      const int64_t window = FloorDiv(r.start_ns, config_.window_ns);
      p.bucket = &p.buckets[window];
      p.bucket_ns = window * config_.window_ns;
    }
    open_windows_ += p.bucket->empty();
    p.bucket->push_back(number);
    return;
  }
  if (r.is(kDecided) || r.is(kAwaitsParent)) {  // decided before a take-over
    Retain(p, number, p.decided_ns);
    return;
  }
  if (logged_decided_.Find(p.id) == nullptr || !r.server()) {
    r.flags |= WEFT_FLAG_LATE;
    count_.late.Add();
  }
  if (r.server()) {
    Retain(p, number, p.decided_ns);
  } else {
    if (p.late.empty()) dirty_processes_.push_back(process);
    p.late.push_back(number);
  }
}

// A further record of an exchange that is held: the end of an open one, or the same once more.
void StitchPartition::Impl::AdmitAgain(uint32_t number, uint32_t batch, uint32_t at,
                                       uint32_t agent) {
  Row& r = rows_[number];
  const bool still_open = (admitted_.flags[at] & WEFT_FLAG_OPEN) != 0;
  const bool other_agent = rows_.batch(r.batch).agent != agent;
  const bool now_final = !r.is(kFinalId) && (admitted_.flags[at] & WEFT_FLAG_PROVISIONAL) == 0;
  const bool back = !still_open && (r.flags & WEFT_FLAG_AGENT_LOST) != 0;
  if (!back && (!r.open() || (still_open && !now_final && !other_agent))) {
    if (!still_open && counting_) ledger_.CountDuplicate();
    return count_.duplicates.Add();
  }
  const uint32_t process = ProcessOf(batch, admitted_.process[at], agent);
  rows_.Move(number, batch, at);
  const bool ended_here = back && TakeBackEnd(number);
  ReadColumns(r, at);
  if ((r.flags & WEFT_FLAG_CONTEXT) != 0) processes_[process].carries_context = true;
  if (still_open) {
    if (other_agent) agents_[agent].open_rows.push_back({number, r.age});
    if (now_final) Announce(number);
    return;
  }
  if (ended_here) {
    count_.spans.Add();
  } else if (!r.is(kEmitted)) {  // else by an owner before this one
    count_.spans.Add();
    CountPending();
  } else if (counting_) {
    ledger_.CountDuplicate();
  }
  NoteEnd(number);
}

// The row has an end now, and with it its final id.
void StitchPartition::Impl::NoteEnd(uint32_t number) {
  Row& r = rows_[number];
  if (r.is(kEmitted)) return QueueFree(number);  // by an owner before this one
  r.state |= kFinalId;
  Announce(number);
  MaybeEmit(number);
}

}  // namespace weft::stitch
