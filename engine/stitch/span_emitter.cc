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

void SpanEmitter::Flush(const std::function<void(std::span<const SortItem>)>& emitted) {
  keys_.clear();
  const int row_bits = static_cast<int>(std::bit_width(rows_.MostRows()));
  const uint64_t batches = rows_.batches();
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (i + 2 * kPrefetch < queue_.size()) rows_.PrefetchRow(queue_[i + 2 * kPrefetch]);
    const uint32_t number = queue_[i];
    const Row& r = rows_[number];
    const uint64_t to = PartitionOf(api::TraceKey({r.trace_hi, r.trace_lo}), partitions_);
    keys_.emplace_back((to * batches + r.batch) << row_bits | r.row, number);
  }
  queue_.clear();
  RadixSort(keys_, scratch_);
  const uint64_t row_mask = (uint64_t{1} << row_bits) - 1;
  for (size_t first = 0; first < keys_.size();) {
    const uint64_t place = keys_[first].key >> row_bits;
    group_.clear();
    for (size_t i = first; i < keys_.size() && keys_[i].key >> row_bits == place; ++i)
      group_.push_back(static_cast<uint32_t>(keys_[i].key & row_mask));
    const auto to = static_cast<uint32_t>(place / batches);
    EmitGroup(first, to, rows_.batch(static_cast<uint32_t>(place % batches)));
    emitted({&keys_[first], group_.size()});
    first += group_.size();
    if (first == keys_.size() || (keys_[first].key >> row_bits) / batches != to)
      outbox_.SealSpans(to);
  }
}

// group_, which are the rows from keys_[first] on.
void SpanEmitter::EmitGroup(size_t first, uint32_t to, const HeldBatch& batch) {
  api::SpanTable& table = outbox_.spans();
  copier_.Begin(batch.columns(), table, api::RepeatsFor(group_.size()));
  const uint32_t at =
      copier_.AppendColumns(group_.data(), group_.size(), api::EventCopier::Columns::kUndecided);
  Finish(first, at, batch);
  AppendCandidates(first);
  size_t done = 0;  // so many have their attributes
  for (const size_t i : linked_) {
    copier_.AppendAttributes(group_.data() + done, i + 1 - done);
    done = i + 1;
    AddLinks(rows_[keys_[first + i].value], table, at + static_cast<uint32_t>(i));
  }
  copier_.AppendAttributes(group_.data() + done, group_.size() - done);
  outbox_.NoteSpans(batch.append_ns);
  outbox_.SealSpansIfLarge(to);
}

// What the places of keys_ after this one will touch.
void SpanEmitter::Prefetch(size_t place) const {
  if (place + 2 * kPrefetch < keys_.size()) rows_.PrefetchRow(keys_[place + 2 * kPrefetch].value);
  if (place + kPrefetch >= keys_.size()) return;
  const Row& r = rows_[keys_[place + kPrefetch].value];
  if (r.parent != kNone) rows_.PrefetchRow(r.parent);  // for the label
  if (r.candidates == kNone) return;
  const char* begin = reinterpret_cast<const char*>(&notes_[r.candidates]);
  weft::Prefetch(begin);
  weft::Prefetch(begin + sizeof(Notes) - 1);
}

// What was decided about the rows of group_, which are the table's from `at` on.
void SpanEmitter::Finish(size_t first, uint32_t at, const HeldBatch& batch) {
  api::SpanTable& t = outbox_.spans();
  const int64_t unix_offset_ns = batch.events.header.unix_offset_ns;
  ends_.resize(group_.size());
  batch.columns().end_ns.Gather(group_.data(), group_.size(), ends_.data());
  linked_.clear();
  candidates_ = 0;
  for (size_t i = 0; i < group_.size(); ++i) {
    Prefetch(first + i);
    const uint32_t number = keys_[first + i].value;
    const Row& r = rows_[number];
    const size_t row = at + i;
    t.span_id[row] = r.span_id;
    t.parent_id[row] = r.parent_id;
    t.trace_hi[row] = r.trace_hi;
    t.trace_lo[row] = r.trace_lo;
    t.start_ns[row] = r.start_ns + unix_offset_ns;
    t.end_ns[row] = r.open() ? 0 : rows_.EndOf(number, ends_[i]) + unix_offset_ns;
    t.flags[row] = (t.flags[row] & ~uint32_t{UINT16_MAX}) | r.flags;
    t.confidence[row] = r.confidence;
    t.evidence[row] = r.evidence;
    // The end that the engine gives is later than the record of the beginning.
    if (rows_.EndIsForced(number)) outbox_.NoteSpans(kEngineEnd);
    if (HasLinks(r)) linked_.push_back(i);
    if (r.candidates != kNone) candidates_ += notes_[r.candidates].n;
  }
}

void SpanEmitter::AppendCandidates(size_t first) {
  api::SpanTable& t = outbox_.spans();
  size_t size = t.candidate_span_id.size();
  t.candidate_span_id.resize(size + candidates_);
  t.candidate_log_odds.resize(size + candidates_);
  t.candidate_evidence.resize(size + candidates_);
  for (size_t i = 0; i < group_.size(); ++i) {
    const uint32_t number = rows_[keys_[first + i].value].candidates;
    const uint32_t n = number == kNone ? 0 : notes_[number].n;
    for (uint32_t k = 0; k < n; ++k, ++size) {
      const CandidateNote& note = notes_[number].note[k];
      t.candidate_span_id[size] = note.span_id;
      t.candidate_log_odds[size] = note.log_odds;
      t.candidate_evidence[size] = note.evidence;
    }
    t.candidate_offset.push_back(static_cast<uint32_t>(size));
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
