// Outbox: everything a partition has to say until the next transaction, as open batches per stream
// and partition. Take() encodes them in a fixed order and leaves the outbox empty. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/codec.h"
#include "engine/stitch/row_store.h"
#include "engine/transport/transport.h"

namespace weft::stitch {

class Outbox {
 public:
  Outbox(uint32_t partition, uint32_t partitions);

  void Exists(uint64_t wire_id, uint64_t span_id, uint64_t trace_hi, uint64_t trace_lo);
  void Want(uint64_t key, uint64_t span_id, uint32_t flags);
  void Answer(uint32_t partition, uint64_t wire_id, uint64_t span_id, uint64_t trace_hi,
              uint64_t trace_lo, uint32_t flags);
  // Goes out with the next records to every partition, empty ones where there is nothing else.
  void Watermarks(int64_t links_ns, int64_t spans_ns);
  api::LabelBatch& labels() { return labels_; }
  api::SpanTable& spans(uint32_t partition) { return spans_[partition]; }
  // Closes the open batch where a reader would refuse a larger one. Indices into it are void.
  void SealSpansIfLarge(uint32_t partition);
  void SealLabelsIfLarge();
  void State(const api::CorrelatorState& state);
  void Raw(transport::OutRecord record) { raw_.push_back(std::move(record)); }

  bool empty() const;
  void Take(transport::Transaction* tx);

 private:
  // `watermark` speaks for what is in this record and those before it: a batch that is closed early
  // has none, the rest may still come.
  void SealSpans(uint32_t partition, int64_t watermark_ns);
  void SealLinks(uint32_t partition, int64_t watermark_ns);
  void SealLabels();
  void AddLink(uint32_t to, api::LinkWhat what, uint64_t wire_id, uint64_t span_id, uint64_t hi,
               uint64_t lo, uint32_t flags);

  const uint32_t partition_;
  std::vector<api::LinkBatch> links_;  // by receiving partition
  std::vector<api::SpanTable> spans_;
  api::LabelBatch labels_;
  std::vector<transport::OutRecord> raw_;  // closed records
  int64_t links_watermark_ = INT64_MIN;
  int64_t spans_watermark_ = INT64_MIN;
  bool send_watermarks_ = false;
};

}  // namespace weft::stitch
