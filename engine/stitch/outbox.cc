#include "engine/stitch/outbox.h"

#include <algorithm>

#include "engine/base/clock.h"
#include "engine/base/hash.h"

namespace weft::stitch {

using transport::RecordType;
using transport::Stream;

namespace {

// As kMaxLogRows; of kMaxRecordBytes, too.
constexpr size_t kMaxSpanRows = 20'000;
constexpr size_t kMaxAttributes = 1'000'000;
constexpr size_t kMaxText = 16 << 20;
// From a span's end to weft.spans, live: a trace is closed so long after its root's end at the
// earliest, and what it caused meanwhile is in it. Without it a trace that is read in a backlog
// would be closed sooner than one that is read live (the simulator's long backlogs find that).
constexpr int64_t kUsualDelay = 2 * kSecond;
constexpr int64_t kTellEvery = kSecond;

}  // namespace

Outbox::Outbox(uint32_t partition, uint32_t partitions)
    : partition_(partition), links_(partitions), spans_sealed_(partitions) {}

void Outbox::AddLink(uint32_t to, api::LinkWhat what, uint64_t wire_id, uint64_t span_id,
                     uint64_t hi, uint64_t lo, uint32_t flags) {
  links_[to].Add(what, wire_id, span_id, hi, lo, flags);
  if (links_[to].size() >= kMaxLogRows) SealLinks(to, INT64_MIN);
}

void Outbox::Exists(uint64_t wire_id, uint64_t span_id, uint64_t trace_hi, uint64_t trace_lo) {
  const uint32_t to = PartitionOf(wire_id, static_cast<uint32_t>(links_.size()));
  AddLink(to, api::LinkWhat::kExists, wire_id, span_id, trace_hi, trace_lo, 0);
}

void Outbox::Want(uint64_t key, uint32_t flags) {
  const uint32_t to = PartitionOf(key, static_cast<uint32_t>(links_.size()));
  AddLink(to, api::LinkWhat::kWant, key, 0, 0, 0, flags);
}

void Outbox::Answer(uint32_t partition, uint64_t wire_id, uint64_t span_id, uint64_t trace_hi,
                    uint64_t trace_lo, uint32_t flags) {
  if (partition >= links_.size()) return;  // a record from a deployment with more partitions
  AddLink(partition, api::LinkWhat::kAnswer, wire_id, span_id, trace_hi, trace_lo, flags);
}

void Outbox::Watermarks(int64_t links_ns, int64_t spans_ns, int64_t silent_ns) {
  send_watermarks_ |= links_ns > links_watermark_ || spans_ns > spans_watermark_;
  // An agent that comes back may hold it below what was said before.
  silent_ns_ = silent_ns + (links_ns < links_watermark_ ? links_watermark_ - links_ns : 0);
  links_watermark_ = std::max(links_watermark_, links_ns);
  spans_watermark_ = std::max(spans_watermark_, spans_ns);
}

void Outbox::TellHowFar() { send_watermarks_ |= input_ns_ - told_input_ns_ >= kTellEvery; }

void Outbox::State(const api::CorrelatorState& state) {
  Raw({Stream::kState, partition_, RecordType::kCorrelatorState,
       HashCombine(state.process_id, HashText(state.correlator)), api::EncodeState(state)});
}

bool Outbox::empty() const {
  const auto full = [](const auto& b) { return b.size() != 0; };
  return !send_watermarks_ && raw_.empty() && labels_.empty() && decided_.empty() &&
         span_records_.empty() && std::none_of(links_.begin(), links_.end(), full);
}

void Outbox::EncodeSpans(uint32_t p, int64_t watermark_ns) {
  // Spans that waited for others' answers are not of when they go out: that may be far ahead of the
  // watermarks, and their traces would wait for them.
  const int64_t input_ns = std::min(input_ns_, spans_append_ns_ + kUsualDelay);
  span_records_.push_back({Stream::kSpans, p, RecordType::kSpanBatch, 0,
                           api::EncodeSpans(spans_, partition_, watermark_ns, input_ns)});
  spans_append_ns_ = 0;
  spans_.Clear();
}

void Outbox::SealSpans(uint32_t p) {
  if (spans_.empty()) return;
  EncodeSpans(p, spans_watermark_);
  spans_sealed_[p] = true;
}

void Outbox::SealLinks(uint32_t p, int64_t watermark_ns) {
  api::LinkBatch head;
  head.from_partition = partition_;
  head.watermark_ns = watermark_ns;
  head.input_ns = input_ns_;
  head.silent_ns = silent_ns_;
  raw_.push_back({Stream::kLinks, p, RecordType::kLinkBatch, 0, api::EncodeLinks(head, links_[p])});
  links_[p].Clear();
}

void Outbox::SealLabels() {
  raw_.push_back({Stream::kLabels, partition_, RecordType::kLabelBatch, 0,
                  api::EncodeLabels(labels_, decided_)});
  labels_.Clear();
  decided_.Clear();
}

void Outbox::SealSpansIfLarge(uint32_t p) {
  if (spans_.n() >= kMaxSpanRows || spans_.attr.size() >= kMaxAttributes ||
      spans_.strings.bytes().size() >= kMaxText)
    EncodeSpans(p, INT64_MIN);
}

void Outbox::Take(transport::Transaction* tx) {
  if (!labels_.empty() || !decided_.empty()) SealLabels();
  for (uint32_t p = 0; p < links_.size(); ++p)
    if (links_[p].size() != 0 || send_watermarks_) SealLinks(p, links_watermark_);
  for (uint32_t p = 0; p < spans_sealed_.size(); ++p)
    if (send_watermarks_ && !spans_sealed_[p]) EncodeSpans(p, spans_watermark_);
  spans_sealed_.assign(spans_sealed_.size(), false);
  if (send_watermarks_) told_input_ns_ = input_ns_;
  send_watermarks_ = false;
  for (auto* records : {&raw_, &span_records_}) {
    for (auto& record : *records) tx->out.push_back(std::move(record));
    records->clear();
  }
}

}  // namespace weft::stitch
