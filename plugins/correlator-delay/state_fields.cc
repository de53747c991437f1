// The parts of a learner's saved state.
#include <algorithm>
#include <map>

#include "plugins/correlator-delay/state_codec.h"

namespace weft::plugins::delay {
namespace {

constexpr uint64_t kMostSpans = 64'000;

template <size_t N>
void PutCounts(StateWriter& out, const std::array<float, N>& counts) {
  out.Number(static_cast<uint64_t>(std::ranges::count_if(counts, [](float c) { return c > 0; })));
  for (size_t b = 0; b < N; ++b)
    if (counts[b] > 0) {
      out.Number(b);
      out.Count(counts[b]);
    }
}

template <size_t N>
void GetCounts(StateReader& in, std::array<float, N>& counts) {
  for (uint64_t used = in.Number(N); used > 0 && in.ok(); --used) {
    const uint64_t b = in.Number(N - 1);
    counts[b] = in.Count();
  }
}

template <size_t N>
void PutWeights(StateWriter& out, const std::array<float, N>& weights) {
  for (const float w : weights) out.Raw(w);
}

template <size_t N>
void GetWeights(StateReader& in, std::array<float, N>& weights) {
  for (float& w : weights) w = in.Weight();
}

void PutNames(StateWriter& out, const NameNumbers& names) {
  out.Number(names.size());
  for (const uint64_t name : names.hashes()) out.Raw(name);
}

void GetNames(StateReader& in, NameNumbers& names) {
  std::vector<uint64_t> hashes(in.Number(kMaxNames));
  for (uint64_t& hash : hashes) hash = in.Raw<uint64_t>();
  names.Assign(std::move(hashes));
}

void PutMap(StateWriter& out, const CountMap& map) {
  const auto slots = map.Sorted();
  out.Number(slots.size());
  uint32_t before = 0;
  for (const CountMap::Slot& slot : slots) {
    out.Number(slot.key - before);
    out.Count(slot.count);
    before = slot.key;
  }
}

void GetMap(StateReader& in, CountMap& map, size_t most) {
  uint32_t key = 0;
  for (uint64_t n = in.Number(most); n > 0 && in.ok(); --n) {
    key += static_cast<uint32_t>(in.Number(UINT32_MAX - key));
    const float count = in.Count();
    if (key == 0 || count <= 0) in.Refuse();
    if (in.ok()) map.Set(key, count);
  }
}

// Where and when follow from the event that the place is of.
void PutPlace(StateWriter& out, const Place& p, int64_t at) {
  out.Number(p.thread == 0 ? 0 : 1);
  if (p.thread == 0) return;
  out.Number(p.thread);
  out.Signed(p.at - at);
  out.Signed(p.run_began - at);
  out.Signed(p.previous - at);
  out.Number(p.position);
  out.Number(uint64_t{p.inputs} << 1 | (p.output ? 1 : 0));
}

void GetPlace(StateReader& in, Place& p, int64_t at) {
  if (in.Number(1) == 0) return;
  p.thread = static_cast<uint32_t>(in.Number(UINT32_MAX));
  p.at = at + in.Signed();
  p.run_began = at + in.Signed();
  p.previous = at + in.Signed();
  p.position = static_cast<uint16_t>(in.Number(UINT16_MAX));
  const uint64_t inputs = in.Number(2 * UINT16_MAX + 1);
  p.inputs = static_cast<uint16_t>(inputs >> 1);
  p.output = inputs & 1;
}

// Of a request or a call.
template <class Span>
void PutSpan(StateWriter& out, const Span& s) {
  out.Raw(s.exchange);
  out.Signed(s.start_ns);
  out.Signed(s.end_ns == 0 ? -1 : s.end_ns - s.start_ns);
  out.Number(s.begin_thread);
  out.Number(s.end_thread);
  PutPlace(out, s.begin_place, s.start_ns);
  PutPlace(out, s.end_place, s.start_ns);
}

template <class Span>
void GetSpan(StateReader& in, Span& s) {
  s.exchange = in.Raw<uint64_t>();
  s.start_ns = in.Signed();
  const int64_t took = in.Signed();
  s.end_ns = took < 0 ? 0 : s.start_ns + took;
  s.begin_thread = static_cast<uint32_t>(in.Number(UINT32_MAX));
  s.end_thread = static_cast<uint32_t>(in.Number(UINT32_MAX));
  GetPlace(in, s.begin_place, s.start_ns);
  GetPlace(in, s.end_place, s.start_ns);
}

}  // namespace

void StateCodec::Put(StateWriter& out, const ProcessHistory& h) {
  PutNames(out, h.operations);
  PutNames(out, h.callees);
  out.Number(h.requests.size());
  for (const Request& r : h.requests) {
    PutSpan(out, r);
    out.Raw(r.span_id);
    out.Number(r.operation);
  }
  out.Number(h.calls.size());
  for (const Call& c : h.calls) {
    PutSpan(out, c);
    out.Number(c.owner == kNone ? 0 : c.owner + 1);
    out.Number(c.callee);
    out.Number((c.settled ? 1 : 0) | (c.contested ? 2 : 0) | (c.stray ? 4 : 0));
  }
}

void StateCodec::Get(StateReader& in, ProcessHistory& h) {
  GetNames(in, h.operations);
  GetNames(in, h.callees);
  for (uint64_t n = in.Number(kMostSpans); n > 0 && in.ok(); --n) {
    Request& r = h.requests.emplace_back();
    GetSpan(in, r);
    r.span_id = in.Raw<uint64_t>();
    r.operation = static_cast<uint16_t>(in.Number(kMaxNames));
    if (r.operation >= h.operations.size()) in.Refuse();
  }
  for (uint64_t n = in.Number(kMostSpans); n > 0 && in.ok(); --n) {
    Call& c = h.calls.emplace_back();
    GetSpan(in, c);
    c.owner = static_cast<uint32_t>(in.Number(h.requests.size())) - 1;
    c.callee = static_cast<uint16_t>(in.Number(kMaxNames));
    const uint64_t flags = in.Number(7);
    c.settled = flags & 1;
    c.contested = flags & 2;
    c.stray = flags & 4;
    if (c.callee >= h.callees.size() || c.owner == kNone) in.Refuse();
  }
}

void StateCodec::Put(StateWriter& out, const QueueOrder& order) {
  out.Number(order.seen.size());
  for (const auto& [key, seen] : std::map(order.seen.begin(), order.seen.end())) {
    out.Number(key);
    for (const float f :
         {seen.overtook, seen.in_order, seen.expected_overtook, seen.expected_in_order})
      out.Raw(f);
  }
  Put(out, order.continuity);
}

void StateCodec::Get(StateReader& in, QueueOrder& order) {
  for (uint64_t n = in.Number(QueueOrder::kMaxPairs); n > 0 && in.ok(); --n) {
    QueueOrder::Seen& seen = order.seen[static_cast<uint32_t>(in.Number(UINT32_MAX))];
    for (float* f :
         {&seen.overtook, &seen.in_order, &seen.expected_overtook, &seen.expected_in_order})
      *f = in.Weight();
  }
  Get(in, order.continuity);
}

void StateCodec::Put(StateWriter& out, const ThreadContinuity& threads) {
  out.Number(threads.rows_.size());
  for (const auto& [key, row] : std::map(threads.rows_.begin(), threads.rows_.end())) {
    out.Number(key);
    out.Raw(row.n);
    out.Number(
        static_cast<uint64_t>(std::ranges::count_if(row.count, [](float c) { return c > 0; })));
    for (size_t i = 0; i < row.count.size(); ++i)
      if (row.count[i] > 0) {
        out.Number(i);
        out.Raw(row.count[i]);
      }
  }
  PutMap(out, threads.handovers_);
}

void StateCodec::Get(StateReader& in, ThreadContinuity& threads) {
  for (uint64_t n = in.Number(ThreadContinuity::kMaxRows); n > 0 && in.ok(); --n) {
    auto& row = threads.rows_[static_cast<uint32_t>(in.Number(UINT32_MAX))];
    row.n = in.Weight();
    for (uint64_t used = in.Number(row.count.size()); used > 0 && in.ok(); --used) {
      const uint64_t i = in.Number(row.count.size() - 1);
      row.count[i] = in.Weight();
    }
  }
  GetMap(in, threads.handovers_, 2 * ThreadContinuity::kMaxHandovers);
}

void StateCodec::Put(StateWriter& out, const CallRates& rates) {
  out.Raw(rates.busy_);
  out.Raw(rates.idle_);
  for (const auto* counts : {&rates.calls_, &rates.orphans_, &rates.strays_})
    PutWeights(out, *counts);
}

void StateCodec::Get(StateReader& in, CallRates& rates) {
  rates.busy_ = in.Sum();
  rates.idle_ = in.Sum();
  for (auto* counts : {&rates.calls_, &rates.orphans_, &rates.strays_}) GetWeights(in, *counts);
}

void StateCodec::Put(StateWriter& out, const RequestModel& m) {
  out.Raw(m.requests_);
  Put(out, m.gaps_);
  Put(out, m.rests_);
  Put(out, m.counts_);
}

void StateCodec::Get(StateReader& in, RequestModel& m) {
  m.requests_ = in.Sum();
  Get(in, m.gaps_);
  Get(in, m.rests_);
  Get(in, m.counts_);
}

// By key, the outcomes of each in order.
void StateCodec::Put(StateWriter& out, const ContextCounts& counts) {
  std::vector<const ContextCounts::Row*> rows;
  for (const auto& row : counts.rows_)
    if (row.n > 0) rows.push_back(&row);
  std::ranges::sort(rows, {}, [](const auto* row) { return row->key; });
  out.Number(rows.size());
  uint32_t before = 0;
  for (const auto* row : rows) {
    out.Number(row->key - before);
    before = row->key;
    out.Count(row->n);
    out.Count(row->distinct);
    std::map<Outcome, float> seen;
    for (uint32_t e = row->first; e != kNone; e = counts.entries_[e].next)
      if (counts.entries_[e].count > 0) seen[counts.entries_[e].outcome] = counts.entries_[e].count;
    out.Number(seen.size());
    for (const auto& [outcome, count] : seen) {
      out.Number(outcome);
      out.Count(count);
    }
  }
}

void StateCodec::Get(StateReader& in, ContextCounts& counts) {
  uint32_t key = 0;
  for (uint64_t n = in.Number(RequestModel::kMaxCounts); n > 0 && in.ok(); --n) {
    key += static_cast<uint32_t>(in.Number(UINT32_MAX - key));
    if (key == 0) return in.Refuse();
    const uint32_t number = counts.RowOfKey(key);
    counts.rows_[number].n = in.Count();
    counts.rows_[number].distinct = in.Count();
    for (uint64_t used = in.Number(kOutcomes); used > 0 && in.ok(); --used) {
      const auto outcome = static_cast<Outcome>(in.Number(kOutcomes - 1));
      counts.EntryOf(counts.rows_[number], outcome).count = in.Count();
    }
  }
}

void StateCodec::Put(StateWriter& out, const GapTable& gaps) {
  out.Number(gaps.rows_.size());
  for (const auto& row : gaps.rows_) {
    out.Number(row.key);
    out.Raw(row.lead);
    for (const auto* counts : {&row.lasting, &row.recent}) {
      out.Count(counts->n);
      PutCounts(out, counts->at);
    }
  }
  for (const auto& row : gaps.any_) {
    out.Count(row.lasting.n);
    PutCounts(out, row.lasting.at);
  }
  PutCounts(out, gaps.responses_);
}

void StateCodec::Get(StateReader& in, GapTable& gaps) {
  for (uint64_t n = in.Number(GapTable::kMaxRows); n > 0 && in.ok(); --n) {
    const auto key = static_cast<uint32_t>(in.Number(kLabels * kOutcomes - 1));
    auto* row =
        gaps.RowFor(static_cast<Label>(key / kOutcomes), static_cast<Outcome>(key % kOutcomes));
    if (row == nullptr) return in.Refuse();
    row->lead = in.Within(-100, 100);
    for (auto* counts : {&row->lasting, &row->recent}) {
      counts->n = in.Count();
      GetCounts(in, counts->at);
    }
  }
  for (auto& row : gaps.any_) {
    row.lasting.n = in.Count();
    GetCounts(in, row.lasting.at);
  }
  GetCounts(in, gaps.responses_);
}

// In order, so that each row comes after the coarser one that it leans on.
void StateCodec::Put(StateWriter& out, const RestTable& rests) {
  out.Number(rests.rows_.size());
  for (const auto& row : rests.rows_) {
    out.Raw(row.key);
    out.Number(row.coarser);
    out.Count(row.n);
    PutCounts(out, row.count);
  }
}

void StateCodec::Get(StateReader& in, RestTable& rests) {
  const uint64_t rows = in.Number(RestTable::kMaxRows);
  if (rows == 0) return in.Refuse();
  rests.rows_.resize(rows);
  rests.entries_ = SIZE_MAX;  // to be counted
  for (uint32_t r = 0; r < rows && in.ok(); ++r) {
    auto& row = rests.rows_[r];
    row.key = in.Raw<uint64_t>();
    row.coarser = static_cast<uint32_t>(in.Number(r == 0 ? 0 : r - 1));
    row.n = in.Count();
    GetCounts(in, row.count);
    if (r > 0) rests.row_of_[row.key] = r;
  }
}

}  // namespace weft::plugins::delay
