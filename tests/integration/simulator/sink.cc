#include "tests/integration/simulator/sink.h"

#include <fmt/format.h>

namespace weft::sim {

void Sink::Store(const trace::ExportBatch& batch) {
  const api::SpanTable& t = batch.spans;
  for (uint32_t i = 0; i < t.n(); ++i) {
    Stored now{t.trace_hi[i], t.trace_lo[i], t.parent_id[i], t.flags[i], 1};
    auto [it, added] = spans_.try_emplace(t.exchange[i], now);
    if (added) continue;
    Stored& before = it->second;
    if (!(before == now))
      violations_.push_back(fmt::format(
          "exchange {:x} was stored with trace {:x} parent {:x}, then with trace {:x} parent {:x}",
          t.exchange[i], before.trace_lo, before.parent_id, now.trace_lo, now.parent_id));
    now.copies = before.copies + 1;
    if ((before.flags & WEFT_FLAG_OPEN) == 0) ++duplicates_;
    if ((now.flags & WEFT_FLAG_OPEN) != 0 && (before.flags & WEFT_FLAG_OPEN) == 0)
      now.flags = before.flags;
    before = now;
  }
}

}  // namespace weft::sim
