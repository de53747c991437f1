#include "sources/replay/resharder.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "engine/base/clock.h"
#include "sources/publisher.h"

namespace weft::sources {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kTellEveryNs = 100 * kMillisecond;
// Batches of one agent are sealed per partition, at most a heartbeat apart: what one old
// partition's watermark covers may still come from another one that has not written before.
constexpr int64_t kSealSkewNs = 300 * kMillisecond;

}  // namespace

std::vector<transport::OutRecord> Resharder::Split(uint32_t old_partition,
                                                   const api::EventBatch& batch) {
  Agent& agent = agents_[batch.header.agent_id];
  int64_t& old_watermark =
      agent.watermark_of_old.try_emplace(old_partition, std::numeric_limits<int64_t>::min())
          .first->second;
  old_watermark = std::max(old_watermark, batch.header.last ? kForever : batch.header.watermark_ns);
  int64_t watermark = kForever;
  for (const auto& [p, w] : agent.watermark_of_old) watermark = std::min(watermark, w);

  const weft_spans& spans = batch.spans.spans();
  std::map<uint32_t, api::SpanTable> tables;
  std::map<uint32_t, api::RowCopier> copiers;
  for (uint32_t row = 0; row < spans.n; ++row) {
    const uint64_t process = spans.processes->process_id[spans.process[row]];
    const uint32_t p = EventPartition(batch.header.host_id, process, partitions_);
    copiers.try_emplace(p, spans, tables[p]).first->second.Copy(row);
    agent.targets.try_emplace(p);
  }
  // An agent without rows so far still has to be known somewhere.
  if (agent.targets.empty())
    agent.targets.try_emplace(EventPartition(batch.header.host_id, 0, partitions_));

  std::vector<transport::OutRecord> out;
  for (auto& [p, target] : agent.targets) {
    const auto table = tables.find(p);
    const bool last = watermark == kForever;
    if (table == tables.end() && !last && batch.header.now_ns - target.told_ns < kTellEveryNs)
      continue;
    api::EventHeader header = batch.header;
    header.sequence = ++target.sequence;
    header.last = last;
    header.observed_before = target.observed;
    header.watermark_ns =
        last ? kForever
             : std::max(watermark, std::numeric_limits<int64_t>::min() + kSealSkewNs) - kSealSkewNs;
    target.told_ns = header.now_ns;
    transport::OutRecord record;
    record.partition = p;
    record.key = header.agent_id;
    if (table != tables.end())
      for (const uint32_t flags : table->second.flags)
        record.observations += (flags & WEFT_FLAG_OPEN) == 0;
    target.observed += record.observations;
    record.payload =
        api::EncodeEvents(header, table == tables.end() ? api::SpanTable{} : table->second);
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace weft::sources
