#include "engine/stitch/span_emitter.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "engine/api/ids.h"

namespace weft::stitch {

void SpanEmitter::Flush() {
  std::sort(queue_.begin(), queue_.end(), [this](uint32_t a, uint32_t b) {
    const Row& x = rows_[a];
    const Row& y = rows_[b];
    return x.batch != y.batch ? x.batch < y.batch : x.row < y.row;
  });
  std::vector<std::optional<api::RowCopier>> copiers(partitions_);
  uint32_t batch = kNone;
  for (const uint32_t number : queue_) {
    const Row& r = rows_[number];
    if (r.batch != batch) {
      for (auto& c : copiers) c.reset();
      batch = r.batch;
    }
    const uint32_t to = PartitionOf(api::TraceKey({r.trace_hi, r.trace_lo}), partitions_);
    api::SpanTable& table = outbox_.spans(to);
    if (!copiers[to]) copiers[to].emplace(rows_.Columns(r), table);
    copiers[to]->Copy(r.row);
    Finish(r, table, rows_.batch(batch).events.header.unix_offset_ns);
  }
}

void SpanEmitter::Finish(const Row& r, api::SpanTable& t, int64_t unix_offset_ns) {
  t.span_id.back() = r.span_id;
  t.parent_id.back() = r.parent_id;
  t.trace_hi.back() = r.trace_hi;
  t.trace_lo.back() = r.trace_lo;
  t.start_ns.back() = r.start_ns + unix_offset_ns;
  t.end_ns.back() = r.open() ? 0 : r.end_ns + unix_offset_ns;
  t.flags.back() = r.open() ? r.flags | WEFT_FLAG_OPEN : r.flags & ~uint32_t{WEFT_FLAG_OPEN};
  t.confidence.back() = r.confidence;
  t.evidence.back() = r.evidence;
  if (r.candidates != kNone) {
    const Notes& notes = notes_[r.candidates];
    for (uint32_t i = 0; i < notes.n; ++i)
      t.Candidate(notes.note[i].span_id, notes.note[i].log_odds, notes.note[i].evidence);
  }
  if (r.is(kUntrusted))
    Link(t, t.context_trace_hi.back(), t.context_trace_lo.back(), t.context_span_id.back());
  if (!links_.empty())
    if (const LateLink* link = links_.Find(r.exchange)) {
      Link(t, link->trace_hi, link->trace_lo, link->span_id);
      links_.Erase(r.exchange);
    }
}

// A span link, for sinks that have a place for it.
void SpanEmitter::Link(api::SpanTable& to, uint64_t trace_hi, uint64_t trace_lo,
                       uint64_t span_id) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(trace_hi),
                static_cast<unsigned long long>(trace_lo));
  to.Attribute("weft.link.trace_id", text);
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(span_id));
  to.Attribute("weft.link.span_id", text);
}

uint32_t SpanEmitter::KeepCandidates(const CandidateNote* notes, uint32_t n) {
  uint32_t number = static_cast<uint32_t>(notes_.size());
  if (free_notes_.empty()) {
    notes_.emplace_back();
  } else {
    number = free_notes_.back();
    free_notes_.pop_back();
  }
  notes_[number].n = n;
  std::copy(notes, notes + n, notes_[number].note.begin());
  return number;
}

size_t SpanEmitter::MemoryBytes() const {
  return notes_.capacity() * sizeof(Notes) + links_.MemoryBytes();
}

}  // namespace weft::stitch
