#include "engine/trace/open_traces.h"

#include <algorithm>

#include "engine/base/check.h"

namespace weft::trace {

// Ascending in any case: of a sender that is behind others an entry may wait for longer.
void OpenTraces::Append(std::deque<Entry>& queue, int64_t at_ns, uint32_t slot) {
  if (!queue.empty()) at_ns = std::max(at_ns, queue.back().at_ns);
  queue.push_back({at_ns, slot, slots_[slot].version});
}

uint32_t OpenTraces::Open(api::TraceId id, int64_t append_ns, int64_t input_ns,
                          std::optional<Verdict> verdict) {
  uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  OpenTrace& trace = slots_[slot];
  trace.id = id;
  trace.first_append_ns = append_ns;
  trace.verdict = verdict;
  index_.Insert(id, slot);
  Append(by_age_, input_ns + rules_.max_age_ns, slot);
  to_survive_.push_back({append_ns + rules_.survive_ns, slot, trace.version});
  return slot;
}

bool OpenTraces::RootOpen(const OpenTrace& trace) {
  return trace.open &&
         std::ranges::any_of(*trace.open, [](const OpenTrace::OpenSpan& s) { return s.root; });
}

// What the log has decided waits only for the records that a replay brings together.
bool OpenTraces::Ready(const OpenTrace& trace) const {
  return trace.verdict || ((trace.root || trace.reported) && !trace.open);
}

int64_t OpenTraces::ReadyAt(const OpenTrace& trace) const {
  if (trace.verdict) return trace.last_ns;
  return (trace.root ? trace.root_ns : trace.last_ns) + rules_.wait_ns;
}

void OpenTraces::Add(uint32_t slot, RowRef row, const Arrival& span, SpanBuffer& buffer) {
  OpenTrace& trace = slots_[slot];
  buffer.Link(row, trace.newest);
  trace.newest = row;
  trace.last_ns = std::max(trace.last_ns, span.input_ns);
  trace.bytes += span.bytes;
  ++trace.spans;
  trace.ended += !span.open;
  trace.reported |= span.reported;
  if (span.root) {
    trace.root = true;
    trace.root_ns = std::max(trace.root_ns, span.input_ns);
  }
  if (span.open) {
    if (!trace.open) trace.open = std::make_unique<std::vector<OpenTrace::OpenSpan>>();
    trace.open->push_back({span.span_id, span.root});
  } else if (trace.open) {
    std::erase_if(*trace.open, [&](const auto& s) { return s.span_id == span.span_id; });
    if (trace.open->empty()) trace.open.reset();
  }
  if (trace.due) return;
  if (trace.spans > rules_.max_spans || trace.bytes > rules_.max_bytes) {
    trace.due = trace.deadline = true;
    over_budget_.push_back(slot);
  } else if (Ready(trace)) {
    Enqueue(slot);
  } else if (trace.root && !RootOpen(trace)) {
    Append(open_grace_, span.input_ns + rules_.open_grace_ns, slot);
  }
}

void OpenTraces::Enqueue(uint32_t slot) {
  OpenTrace& trace = slots_[slot];
  if (trace.queued) return;
  trace.queued = true;
  ready_.push({ReadyAt(trace), slot, trace.version});
}

void OpenTraces::Take(uint32_t slot, bool deadline, std::vector<uint32_t>* due) {
  slots_[slot].due = true;
  slots_[slot].deadline |= deadline;
  due->push_back(slot);
}

void OpenTraces::TakeDue(int64_t watermark_ns, int64_t now_ns, std::vector<uint32_t>* due) {
  for (uint32_t slot : over_budget_) due->push_back(slot);
  over_budget_.clear();
  while (!ready_.empty() && ready_.top().at_ns < watermark_ns) {
    const Entry e = ready_.top();
    ready_.pop();
    if (!Alive(e) || slots_[e.slot].due) continue;
    OpenTrace& trace = slots_[e.slot];
    trace.queued = false;
    if (!Ready(trace)) continue;  // a span was announced since; its end brings the trace back
    if (ReadyAt(trace) < watermark_ns)
      Take(e.slot, false, due);
    else
      Enqueue(e.slot);  // a later root
  }
  for (; !open_grace_.empty() && open_grace_.front().at_ns < watermark_ns;
       open_grace_.pop_front()) {
    const Entry e = open_grace_.front();
    if (!Alive(e) || slots_[e.slot].due) continue;
    const OpenTrace& trace = slots_[e.slot];
    if (trace.root && !RootOpen(trace) && trace.root_ns + rules_.open_grace_ns < watermark_ns)
      Take(e.slot, false, due);
  }
  for (; !by_age_.empty(); by_age_.pop_front()) {
    const Entry e = by_age_.front();
    if (!Alive(e) || slots_[e.slot].due) continue;
    const OpenTrace& trace = slots_[e.slot];
    if (e.at_ns >= watermark_ns && now_ns < trace.first_append_ns + rules_.patience_ns) break;
    Take(e.slot, !trace.verdict, due);
  }
}

uint32_t OpenTraces::TakeOldest() {
  for (; !by_age_.empty(); by_age_.pop_front()) {
    const Entry e = by_age_.front();
    if (!Alive(e) || slots_[e.slot].due) continue;
    slots_[e.slot].due = slots_[e.slot].deadline = true;
    return e.slot;
  }
  return TraceIndex::kNone;
}

void OpenTraces::TakeAll(std::vector<uint32_t>* due) {
  for (uint32_t slot : over_budget_) due->push_back(slot);
  over_budget_.clear();
  for (; !by_age_.empty(); by_age_.pop_front()) {
    const Entry e = by_age_.front();
    if (!Alive(e) || slots_[e.slot].due) continue;
    Take(e.slot, !Ready(slots_[e.slot]), due);
  }
}

void OpenTraces::Age(int64_t now_ns, SpanBuffer& buffer) {
  // Entries of closed traces would stay for the whole time budget: swept when they are the
  // majority.
  for (std::deque<Entry>* queue : {&by_age_, &to_survive_})
    if (queue->size() > 2 * size() + 1024)
      std::erase_if(*queue, [this](const Entry& e) { return !Alive(e); });
  for (; !to_survive_.empty() && to_survive_.front().at_ns <= now_ns; to_survive_.pop_front()) {
    const Entry e = to_survive_.front();
    if (!Alive(e)) continue;
    OpenTrace& trace = slots_[e.slot];
    trace.newest = buffer.Survive(trace.newest);
  }
}

void OpenTraces::Erase(uint32_t slot) {
  const uint32_t version = slots_[slot].version + 1;
  index_.Erase(slots_[slot].id);
  slots_[slot] = OpenTrace{};
  slots_[slot].version = version;
  free_.push_back(slot);
}

size_t OpenTraces::MemoryBytes() const {
  return index_.MemoryBytes() + slots_.size() * sizeof(OpenTrace) +
         (by_age_.size() + to_survive_.size() + open_grace_.size() + ready_.size()) * sizeof(Entry);
}

}  // namespace weft::trace
