#include "engine/trace/trace_gather.h"

#include <algorithm>
#include <tuple>

namespace weft::trace {

uint32_t TraceGatherer::Add(uint64_t trace_hi, uint64_t trace_lo, const std::vector<RowRef>& refs,
                            uint32_t flags) {
  items_.clear();
  for (uint32_t i = 0; i < refs.size(); ++i) {
    const weft_spans& s = buffer_.Spans(refs[i]);
    const uint32_t row = SpanBuffer::Row(refs[i]);
    items_.push_back({s.span_id[row], s.exchange[row], s.start_ns[row], refs[i], i, IsRoot(s, row),
                      (s.flags[row] & WEFT_FLAG_OPEN) != 0,
                      (s.flags[row] & WEFT_FLAG_AGENT_LOST) != 0,
                      (s.flags[row] & WEFT_FLAG_REPORTED) != 0});
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
  to_.traces.AddTrace(trace_hi, trace_lo, to_.spans.n());
  for (const Item& item : items_) {
    const uint32_t row = rows_.Copy(item.row);
    to_.spans.flags[row] |= flags;
    to_.traces.AddSpan(to_.spans, row, item.root);
  }
  return static_cast<uint32_t>(std::ranges::count(items_, false, &Item::open));
}

// Sorted by span id. A call that an SDK reported and that weft saw has one id: the SDK's wins.
void TraceGatherer::PreferReported() {
  bool both = false;
  for (size_t i = 1; i < items_.size(); ++i)
    both |=
        items_[i].span_id == items_[i - 1].span_id && items_[i].reported != items_[i - 1].reported;
  if (!both) return;
  std::vector<uint64_t> reported;
  for (const Item& item : items_)
    if (item.reported) reported.push_back(item.span_id);
  std::erase_if(items_, [&](const Item& item) {
    const bool goes = !item.reported && std::ranges::binary_search(reported, item.span_id);
    if (goes && !item.open) superseded_.push_back(item.row);
    return goes;
  });
}

void CopyKept(const ExportBatch& from, const std::vector<uint8_t>& keep, ExportBatch& to) {
  api::RowCopier copier(from.view.spans(), to.spans);
  for (uint32_t t = 0; t < from.traces.n(); ++t) {
    if (!keep[t]) continue;
    to.traces.AddTrace(from.traces.trace_hi[t], from.traces.trace_lo[t], to.spans.n());
    const uint32_t first = from.traces.first_row[t];
    for (uint32_t i = 0; i < from.traces.n_rows[t]; ++i)
      to.traces.AddSpan(to.spans, copier.Copy(first + i), first + i == from.traces.root_row[t]);
    to.traces.flags.back() |= from.traces.flags[t] & WEFT_FLAG_RESUMED;
  }
}

}  // namespace weft::trace
