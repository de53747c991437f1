#include "sources/replay/trace_replay.h"

#include <map>
#include <utility>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/clock.h"

namespace weft::sources {
namespace {

constexpr uint32_t kNoPartition = UINT32_MAX;  // of a SpanBatch: it speaks for no watermark
constexpr uint32_t kRowsPerRecord = 4096;

}  // namespace

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
  const api::SpanView view = table.View();
  const uint32_t partitions = transport_.partitions();
  for (uint32_t row = 0; row < table.n();) {
    std::map<uint32_t, api::SpanTable> tables;
    std::map<uint32_t, api::RowCopier> copiers;
    for (const uint32_t end = std::min(table.n(), row + kRowsPerRecord); row < end; ++row) {
      const uint32_t to =
          PartitionOf(api::TraceKey({table.trace_hi[row], table.trace_lo[row]}), partitions);
      copiers.try_emplace(to, view.spans(), tables[to]).first->second.Copy(row);
    }
    for (const auto& [to, part] : tables) {
      const transport::OutRecord record{transport::Stream::kSpans, to,
                                        transport::RecordType::kSpanBatch, 0,
                                        api::EncodeSpans(part, kNoPartition, 0)};
      WEFT_TRY(Publish(record));
      spans_.Add(part.n());
    }
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
