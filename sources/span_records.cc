#include "sources/span_records.h"

#include <algorithm>
#include <vector>

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
  std::vector<std::vector<uint32_t>> rows(partitions);
  api::SpanTable part;
  for (uint32_t row = 0; row < table.n();) {
    for (const uint32_t end = std::min(table.n(), row + kRowsPerRecord); row < end; ++row)
      rows[PartitionOf(api::TraceKey({table.trace_hi[row], table.trace_lo[row]}), partitions)]
          .push_back(row);
    for (uint32_t to = 0; to < partitions; ++to) {
      if (rows[to].empty()) continue;
      // The table has each text once, and nothing else goes into this part: no need to look.
      api::RowCopier(view, part, api::Repeats::kPerSource).Append(rows[to].data(), rows[to].size());
      out.push_back({{transport::Stream::kSpans, to, transport::RecordType::kSpanBatch, 0,
                      api::EncodeSpans(part, kNoPartition, 0)},
                     part.n()});
      rows[to].clear();
      part.Clear();
    }
  }
  return out;
}

}  // namespace weft::sources
