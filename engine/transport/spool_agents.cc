#include "engine/transport/spool_agents.h"

#include <limits>

#include "engine/api/codec.h"

namespace weft::transport {

void SpoolAgents::Note(const OutRecord& record) {
  if (record.type != RecordType::kEventBatch) return;
  Newest& newest = newest_[{record.key, record.partition}];
  newest = {record, false};
  newest.record.receipt = nullptr;
}

std::vector<OutRecord> SpoolAgents::Farewells() const {
  std::vector<OutRecord> out;
  for (const auto& [key, newest] : newest_) {
    OutRecord farewell = newest.record;
    farewell.observations = 0;
    farewell.ticket = 0;
    if (!newest.farewell) {
      auto batch = api::DecodeEventColumns(newest.record.payload);
      if (!batch || batch->header.last) continue;
      api::EventHeader& header = batch->header;
      ++header.sequence;
      header.last = true;
      header.observed_before += newest.record.observations;
      header.watermark_ns = std::numeric_limits<int64_t>::max();
      farewell.payload = api::EncodeEvents(header, {});
    }
    out.push_back(std::move(farewell));
  }
  return out;
}

}  // namespace weft::transport
