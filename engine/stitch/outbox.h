// Outbox: everything a partition has to say until the next transaction, as open batches per stream
// and partition. Take() encodes them in a fixed order and leaves the outbox empty. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/api/codec.h"
#include "engine/stitch/row_store.h"
#include "engine/transport/transport.h"

namespace weft::stitch {

// No append time: whatever has been read by then. (Far from the largest number: it is added to.)
inline constexpr int64_t kEngineEnd = INT64_MAX / 2;

class Outbox {
 public:
  Outbox(uint32_t partition, uint32_t partitions);

  // span_id 0: it follows from the key.
  void Exists(uint64_t key, uint64_t span_id, uint64_t trace_hi, uint64_t trace_lo);
  void Want(uint64_t key, uint32_t flags);
  void Answer(uint32_t partition, uint64_t wire_id, uint64_t span_id, uint64_t trace_hi,
              uint64_t trace_lo, uint32_t flags);
  // Goes out with the next records to every partition, empty ones where there is nothing else.
  // Of links_ns the last `silent_ns` are without the agents that fell silent.
  void Watermarks(int64_t links_ns, int64_t spans_ns, int64_t silent_ns = 0);
  // How far the events have been read, as log time: goes with everything that follows.
  void ReadUpTo(int64_t input_ns) { input_ns_ = input_ns; }
  // That goes out with the next records if it is a second further than it was told last, though no
  // watermark has moved: others wait for who has read less than they.
  void TellHowFar();
  // The columns of LabelColumns.
  template <typename... Columns>
  void Label(Columns... label) {
    labels_.Add(label...);
    if (labels_.size() >= kMaxLogRows) SealLabels();
  }
  // Every window of the process that ends by then has been decided.
  void Decided(uint64_t process_id, int64_t decided_ns) { decided_.Add(process_id, decided_ns); }
  // The open batch of weft.spans: for one partition after the other, so that it stays in the cache.
  api::SpanTable& spans() { return spans_; }
  // What spans() got came from a record that was appended then.
  void NoteSpans(int64_t append_ns) { spans_append_ns_ = std::max(spans_append_ns_, append_ns); }
  // Closes the open batch where a reader would refuse a larger one. Indices into it are void.
  void SealSpansIfLarge(uint32_t partition);
  // Closes it: until Take nothing more goes to this partition.
  void SealSpans(uint32_t partition);
  void State(const api::CorrelatorState& state);
  void Raw(transport::OutRecord record) { raw_.push_back(std::move(record)); }

  bool empty() const;
  void Take(transport::Transaction* tx);

 private:
  // Far below what the codec accepts (kMaxRowsPerRecord), well above the usual.
  static constexpr size_t kMaxLogRows = 200'000;
  // `watermark` speaks for what is in this record and those before it: a batch that is closed early
  // has none, the rest may still come.
  void EncodeSpans(uint32_t partition, int64_t watermark_ns);
  void SealLinks(uint32_t partition, int64_t watermark_ns);
  void SealLabels();
  void AddLink(uint32_t to, api::LinkWhat what, uint64_t wire_id, uint64_t span_id, uint64_t hi,
               uint64_t lo, uint32_t flags);

  const uint32_t partition_;
  std::vector<api::LinkColumns> links_;  // by receiving partition
  api::SpanTable spans_;
  int64_t spans_append_ns_ = 0;     // the newest in spans_
  std::vector<bool> spans_sealed_;  // by receiving partition: since the last Take
  std::vector<transport::OutRecord> span_records_;
  api::LabelColumns labels_;
  api::DecidedWindows decided_;
  std::vector<transport::OutRecord> raw_;  // closed records
  int64_t links_watermark_ = INT64_MIN;
  int64_t spans_watermark_ = INT64_MIN;
  int64_t silent_ns_ = 0;
  int64_t input_ns_ = 0;
  int64_t told_input_ns_ = 0;
  bool send_watermarks_ = false;
};

}  // namespace weft::stitch
