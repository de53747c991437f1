// Sink: what the simulated exporters have made durable, and whether it contradicts itself.
//
// Upserts by span id, as the real sinks do: an ended version replaces an open one. Ids are
// immutable: a second version with another trace or parent is a violation. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/trace/export_batch.h"

namespace weft::sim {

struct Stored {
  uint64_t trace_hi = 0, trace_lo = 0, parent_id = 0;
  uint32_t flags = 0;
  uint32_t copies = 0;
  friend bool operator==(const Stored& a, const Stored& b) {
    return a.trace_hi == b.trace_hi && a.trace_lo == b.trace_lo && a.parent_id == b.parent_id;
  }
};

class Sink {
 public:
  void Store(const trace::ExportBatch& batch);
  // By exchange, which is the same whatever became of the span's id.
  const std::map<uint64_t, Stored>& spans() const { return spans_; }
  const std::vector<std::string>& violations() const { return violations_; }
  uint64_t duplicates() const { return duplicates_; }

 private:
  std::map<uint64_t, Stored> spans_;
  std::map<uint64_t, uint64_t> span_ids_;  // exchange -> span id
  std::vector<std::string> violations_;
  uint64_t duplicates_ = 0;
};

}  // namespace weft::sim
