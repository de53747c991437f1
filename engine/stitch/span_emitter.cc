#include "engine/stitch/span_emitter.h"

#include <algorithm>
#include <bit>
#include <cstdio>

#include "engine/api/ids.h"
#include "engine/base/prefetch.h"

namespace weft::stitch {
namespace {

constexpr size_t kPrefetch = 12;  // this many rows ahead

// Off the newest row. By its text: a key that was some value before has another number.
void DropTraceState(api::SpanTable& t) {
  const auto drop = [&](uint32_t pair) {
    return t.strings.Text(t.pairs.key[pair]) == "w3c.tracestate";
  };
  const auto begin = t.attr.begin() + t.attr_offset[t.attr_offset.size() - 2];
  t.attr.erase(std::remove_if(begin, t.attr.end(), drop), t.attr.end());
  t.attr_offset.back() = static_cast<uint32_t>(t.attr.size());
}

}  // namespace

void SpanEmitter::Flush() {
  keys_.clear();
  const int row_bits = static_cast<int>(std::bit_width(rows_.MostRows()));
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (i + 2 * kPrefetch < queue_.size()) rows_.PrefetchRow(queue_[i + 2 * kPrefetch]);
    const uint32_t number = queue_[i];
    const Row& r = rows_[number];
    const uint64_t to = PartitionOf(api::TraceKey({r.trace_hi, r.trace_lo}), partitions_);
    keys_.emplace_back((uint64_t{r.batch} * partitions_ + to) << row_bits | r.row, number);
  }
  RadixSort(keys_, scratch_);
  for (size_t first = 0; first < keys_.size();) {
    size_t last = first + 1;
    while (last < keys_.size() && keys_[last].key >> row_bits == keys_[first].key >> row_bits)
      ++last;
    EmitGroup(first, last, row_bits);
    first = last;
  }
}

void SpanEmitter::EmitGroup(size_t first, size_t last, int row_bits) {
  const uint64_t place = keys_[first].key >> row_bits;
  const auto to = static_cast<uint32_t>(place % partitions_);
  const HeldBatch& batch = rows_.batch(static_cast<uint32_t>(place / partitions_));
  const uint64_t row_mask = (uint64_t{1} << row_bits) - 1;
  api::SpanTable& table = outbox_.spans(to);
  group_.clear();
  for (size_t i = first; i < last; ++i)
    group_.push_back(static_cast<uint32_t>(keys_[i].key & row_mask));
  copier_.Begin(batch.columns(), table, api::RepeatsFor(group_.size()));
  const uint32_t at =
      copier_.AppendColumns(group_.data(), group_.size(), api::EventCopier::Columns::kUndecided);
  size_t done = 0;  // so many have their attributes
  for (size_t i = 0; i < group_.size(); ++i) {
    Prefetch(first + i);
    const uint32_t number = keys_[first + i].value;
    const uint32_t row = at + static_cast<uint32_t>(i);
    copier_.AppendCandidates(group_[i]);
    // The end that the engine gives is later than the record of the beginning.
    if (rows_.EndIsForced(number)) outbox_.NoteSpans(to, kEngineEnd);
    Finish(number, table, row, batch.events.header.unix_offset_ns);
    if (!HasLinks(rows_[number])) continue;
    copier_.AppendAttributes(group_.data() + done, i + 1 - done);
    done = i + 1;
    AddLinks(rows_[number], table, row);
  }
  copier_.AppendAttributes(group_.data() + done, group_.size() - done);
  outbox_.NoteSpans(to, batch.append_ns);
  outbox_.SealSpansIfLarge(to);
}

// What the places of keys_ after this one will touch.
void SpanEmitter::Prefetch(size_t place) const {
  if (place + 2 * kPrefetch < keys_.size()) rows_.PrefetchRow(keys_[place + 2 * kPrefetch].value);
  if (place + kPrefetch >= keys_.size()) return;
  const uint32_t notes = rows_[keys_[place + kPrefetch].value].candidates;
  if (notes == kNone) return;
  const char* begin = reinterpret_cast<const char*>(&notes_[notes]);
  weft::Prefetch(begin);
  weft::Prefetch(begin + sizeof(Notes) - 1);
}

void SpanEmitter::Finish(uint32_t number, api::SpanTable& t, uint32_t at, int64_t unix_offset_ns) {
  const Row& r = rows_[number];
  t.span_id[at] = r.span_id;
  t.parent_id[at] = r.parent_id;
  t.trace_hi[at] = r.trace_hi;
  t.trace_lo[at] = r.trace_lo;
  t.start_ns[at] = r.start_ns + unix_offset_ns;
  t.end_ns[at] = r.open() ? 0 : rows_.EndOf(number) + unix_offset_ns;
  t.flags[at] = (t.flags[at] & ~uint32_t{UINT16_MAX}) | r.flags;
  t.confidence[at] = r.confidence;
  t.evidence[at] = r.evidence;
  if (r.candidates != kNone) {
    const Notes& notes = notes_[r.candidates];
    for (uint32_t i = 0; i < notes.n; ++i)
      t.Candidate(notes.note[i].span_id, notes.note[i].log_odds, notes.note[i].evidence);
  }
}

bool SpanEmitter::HasLinks(const Row& r) const {
  return r.is(kUntrusted) || (!links_.empty() && links_.Find(r.exchange) != nullptr);
}

void SpanEmitter::AddLinks(const Row& r, api::SpanTable& t, uint32_t at) {
  if (r.is(kUntrusted)) {
    DropTraceState(t);
    Link(t, t.context_trace_hi[at], t.context_trace_lo[at], t.context_span_id[at]);
  }
  if (const LateLink* link = links_.Find(r.exchange)) {
    Link(t, link->trace_hi, link->trace_lo, link->span_id);
    links_.Erase(r.exchange);
  }
}

// A span link, for sinks that have a place for it.
void SpanEmitter::Link(api::SpanTable& to, uint64_t trace_hi, uint64_t trace_lo, uint64_t span_id) {
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
