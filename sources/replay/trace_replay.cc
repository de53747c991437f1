#include "sources/replay/trace_replay.h"

#include <utility>

#include "engine/base/clock.h"
#include "sources/span_records.h"

namespace weft::sources {
TraceReplay::TraceReplay(TraceFile& file, transport::Publisher& transport, Metrics& metrics)
    : file_(file),
      transport_(transport),
      spans_(metrics.Get("otlp.spans")),
      malformed_(metrics.Get("replay.malformed")) {}

Result<void> TraceReplay::Run() {
  api::SpanTable table;
  for (bool more = true; more;) {
    table.Clear();
    const auto read = file_.Next(&table);
    malformed_.Set(file_.totals().malformed);
    // What came before the damage is good.
    WEFT_TRY(Hand(table));
    if (!read) return std::unexpected(read.error());
    more = *read;
  }
  return {};
}

Result<void> TraceReplay::Hand(const api::SpanTable& table) {
  for (const SpanRecord& one : MakeSpanRecords(table, transport_.partitions())) {
    WEFT_TRY(Publish(one.record));
    spans_.Add(one.rows);
  }
  return {};
}

Result<void> TraceReplay::Publish(const transport::OutRecord& record) {
  // Waits in slices, so that Stop is heard while the transport is full.
  while (true) {
    if (stop_) return Fail(Code::kCancelled, "replay: stopped");
    auto result = transport_.Publish(record, transport_.LogTimeNs() + 100 * kMillisecond);
    if (result) return {};
    if (result.error().code != Code::kFull) return Context(std::move(result.error()), "replay");
  }
}

}  // namespace weft::sources
