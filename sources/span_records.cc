#include "sources/span_records.h"

#include <algorithm>
#include <map>

#include "engine/api/codec.h"
#include "engine/api/ids.h"

namespace weft::sources {
namespace {

constexpr uint32_t kNoPartition = UINT32_MAX;  // of a SpanBatch: it speaks for no watermark
constexpr uint32_t kRowsPerRecord = 4096;

}  // namespace

std::vector<SpanRecord> MakeSpanRecords(const api::SpanTable& table, uint32_t partitions) {
  std::vector<SpanRecord> out;
  const api::SpanView view = table.View();
  for (uint32_t row = 0; row < table.n();) {
    std::map<uint32_t, api::SpanTable> tables;
    std::map<uint32_t, api::RowCopier> copiers;
    for (const uint32_t end = std::min(table.n(), row + kRowsPerRecord); row < end; ++row) {
      const uint32_t to =
          PartitionOf(api::TraceKey({table.trace_hi[row], table.trace_lo[row]}), partitions);
      copiers.try_emplace(to, view.spans(), tables[to]).first->second.Copy(row);
    }
    for (const auto& [to, part] : tables)
      out.push_back({{transport::Stream::kSpans, to, transport::RecordType::kSpanBatch, 0,
                      api::EncodeSpans(part, kNoPartition, 0)},
                     part.n()});
  }
  return out;
}

}  // namespace weft::sources
