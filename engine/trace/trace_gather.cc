#include "engine/trace/trace_gather.h"

#include <algorithm>
#include <tuple>

namespace weft::trace {

uint32_t TraceGatherer::Add(api::TraceId id, const std::vector<RowRef>& refs, uint32_t flags,
                            uint32_t trace_flags) {
  items_.clear();
  for (uint32_t i = 0; i < refs.size(); ++i) {
    const api::EventColumns& s = buffer_.Columns(refs[i]);
    const uint32_t row = SpanBuffer::Row(refs[i]);
    const uint64_t row_flags = s.flags[row];
    items_.push_back({s.SpanIdOf(row), s.exchange[row], static_cast<int64_t>(s.start_ns[row]),
                      refs[i], i, IsRoot(s, row), (row_flags & WEFT_FLAG_OPEN) != 0,
                      (row_flags & WEFT_FLAG_AGENT_LOST) != 0,
                      (row_flags & WEFT_FLAG_REPORTED) != 0, false});
  }
  std::ranges::sort(items_, [](const Item& a, const Item& b) {
    return std::tie(a.span_id, a.exchange, a.open, a.lost, a.age) <
           std::tie(b.span_id, b.exchange, b.open, b.lost, b.age);
  });
  const auto same = [](const Item& a, const Item& b) {
    return a.span_id == b.span_id && a.exchange == b.exchange;
  };
  size_t kept = 0;
  for (size_t i = 0; i < items_.size(); ++i) {
    if (kept == 0 || !same(items_[kept - 1], items_[i]))
      items_[kept++] = items_[i];
    else if (!items_[i].open)
      superseded_.push_back(items_[i].row);
  }
  items_.resize(kept);
  PreferReported();
  std::ranges::sort(items_, [](const Item& a, const Item& b) {
    return std::make_tuple(!a.root, a.start_ns, a.span_id) <
           std::make_tuple(!b.root, b.start_ns, b.span_id);
  });
  for (const Item& item : items_) {
    if (item.seen_too) seen_too_.push_back(static_cast<uint32_t>(rows_.size()));
    rows_.push_back(item.row);
    root_.push_back(item.root);
  }
  taken_.push_back({id, rows_.size(), flags, trace_flags});
  return static_cast<uint32_t>(std::ranges::count(items_, false, &Item::open));
}

void TraceGatherer::Finish() {
  const uint32_t first = to_.spans.n();
  gatherer_.Append(buffer_, rows_, to_.spans);
  uint32_t i = 0;
  for (const Taken& trace : taken_) {
    to_.traces.AddTrace(trace.id.hi, trace.id.lo, first + i);
    for (; i < trace.end; ++i) {
      to_.spans.flags[first + i] |= trace.flags;
      to_.traces.AddSpan(to_.spans, first + i, root_[i] != 0);
    }
    to_.traces.flags.back() |= trace.trace_flags;
  }
  for (const uint32_t row : seen_too_) to_.seen_too.push_back(first + row);
  seen_too_.clear();
  taken_.clear();
  rows_.clear();
  root_.clear();
}

// Sorted by span id. A call that an SDK reported and that weft saw has one id: the SDK's wins.
void TraceGatherer::PreferReported() {
  bool both = false;
  for (size_t i = 1; i < items_.size(); ++i)
    both |=
        items_[i].span_id == items_[i - 1].span_id && items_[i].reported != items_[i - 1].reported;
  if (!both) return;
  std::vector<uint64_t> reported, seen;
  for (const Item& item : items_) (item.reported ? reported : seen).push_back(item.span_id);
  std::erase_if(items_, [&](const Item& item) {
    const bool goes = !item.reported && std::ranges::binary_search(reported, item.span_id);
    if (goes && !item.open) superseded_.push_back(item.row);
    return goes;
  });
  for (Item& item : items_)
    item.seen_too = item.reported && std::ranges::binary_search(seen, item.span_id);
}

void CopyKept(const ExportBatch& from, const std::vector<uint8_t>& keep, ExportBatch& to) {
  std::vector<uint32_t> rows;
  for (uint32_t t = 0; t < from.traces.n(); ++t)
    for (uint32_t i = 0; keep[t] && i < from.traces.n_rows[t]; ++i)
      rows.push_back(from.traces.first_row[t] + i);
  api::RowCopier(from.view.spans(), to.spans).Append(rows.data(), rows.size());
  for (uint32_t i = 0; !from.seen_too.empty() && i < rows.size(); ++i)
    if (std::ranges::binary_search(from.seen_too, rows[i])) to.seen_too.push_back(i);
  uint32_t row = 0;
  for (uint32_t t = 0; t < from.traces.n(); ++t) {
    if (!keep[t]) continue;
    to.traces.AddTrace(from.traces.trace_hi[t], from.traces.trace_lo[t], row);
    const uint32_t first = from.traces.first_row[t];
    for (uint32_t i = 0; i < from.traces.n_rows[t]; ++i)
      to.traces.AddSpan(to.spans, row++, first + i == from.traces.root_row[t]);
    to.traces.flags.back() |= from.traces.flags[t] & WEFT_FLAG_RESUMED;
  }
}

}  // namespace weft::trace
