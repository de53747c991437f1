#include "tests/support/stitch_harness.h"

#include <algorithm>

#include "engine/api/codec.h"
#include "engine/base/check.h"

namespace weft::testing {

using transport::RecordType;
using transport::Stream;

StitchHarness::StitchHarness(stitch::StitchConfig c, std::vector<stitch::ChainLink> chain)
    : config(std::move(c)), chain_(std::move(chain)) {
  transport::MemoryOptions options;
  options.partitions = config.partitions;
  options.blocking = false;
  transport = std::make_unique<transport::MemoryTransport>(options, clock, metrics);
  partitions_.resize(config.partitions);
  owners_.resize(config.partitions);
  watermarks_.assign(config.partitions, INT64_MIN);
  for (uint32_t p = 0; p < config.partitions; ++p) {
    TakeOver(p);
    readers_.push_back(std::move(*transport->Own(transport::Stage::kTrace, p)));
  }
}

void StitchHarness::TakeOver(uint32_t p) {
  owners_[p] = std::move(*transport->Own(transport::Stage::kStitch, p));
  partitions_[p] = std::make_unique<stitch::StitchPartition>(config, p, chain_, metrics, *logger_);
  const auto restore = [&](const transport::Record& r) { partitions_[p]->Restore(r); };
  WEFT_CHECK(owners_[p]->ReadBack(Stream::kLabels, restore).has_value());
  WEFT_CHECK(owners_[p]->ReadBack(Stream::kState, restore).has_value());
  if (finished_) partitions_[p]->Finish(clock.MonotonicNs());
}

void StitchHarness::Publish(const std::vector<Observation>& rows, int64_t watermark, uint64_t agent,
                            uint32_t partition, bool last) {
  api::EventHeader h;
  h.host_id = "host-" + std::to_string(agent);
  h.agent_id = agent;
  h.sequence = ++sequence_[{agent, partition}];
  h.now_ns = clock.MonotonicNs();
  h.watermark_ns = watermark;
  h.last = last;
  api::SpanTable t;
  std::map<uint64_t, uint32_t> processes;
  for (const Observation& o : rows) {
    if (!processes.contains(o.process))
      processes[o.process] = t.AddProcess(o.process, h.host_id, o.service, "/bin/x", 1);
    const uint32_t r = t.AddRow();
    t.exchange[r] = o.key();
    t.wire_id[r] = o.wire;
    t.span_id[r] = api::SpanId(o.wire != 0 ? o.wire : o.key(), o.side());
    t.start_ns[r] = o.start;
    t.end_ns[r] = o.end;
    t.kind[r] = o.kind;
    t.flags[r] = o.flags;
    if (o.end == 0) t.flags[r] |= WEFT_FLAG_OPEN;
    if ((o.context_hi | o.context_lo) != 0) t.flags[r] |= WEFT_FLAG_CONTEXT;
    t.context_trace_hi[r] = o.context_hi;
    t.context_trace_lo[r] = o.context_lo;
    t.context_span_id[r] = o.context_span;
    t.process[r] = processes[o.process];
    t.service[r] = t.Intern(o.service);
    t.operation[r] = t.Intern(o.operation);
    t.remote_address[r] = t.Intern(o.remote);
    t.request_tid[r] = t.response_tid[r] = o.tid;
    if (!o.trace_state.empty()) t.Attribute("w3c.tracestate", o.trace_state);
    if (!o.truth.empty()) t.Truth(o.truth);
    for (const uint32_t token : o.tokens) t.Token(token);
    if (o.option != 0) t.OptionId(o.option);
  }
  PublishRaw({Stream::kEvents, partition, RecordType::kEventBatch, 0, api::EncodeEvents(h, t)});
}

void StitchHarness::PublishRaw(transport::OutRecord record) {
  WEFT_CHECK(transport->Publish(std::move(record), 0).has_value());
}

bool StitchHarness::Step(uint32_t p) {
  std::vector<transport::Record> records;
  WEFT_CHECK(owners_[p]->Poll(1 << 20, &records).has_value());
  for (const auto& r : records) partitions_[p]->Consume(r);
  if (records.empty()) partitions_[p]->Tick(clock.MonotonicNs());
  transport::Transaction tx = partitions_[p]->TakeTransaction();
  const bool moved = !records.empty() || !tx.out.empty();
  WEFT_CHECK(owners_[p]->Commit(std::move(tx)).has_value());
  return moved;
}

void StitchHarness::RunStitchOnly() {
  for (bool moved = true; moved;) {
    moved = false;
    for (uint32_t p = 0; p < config.partitions; ++p) moved |= Step(p);
  }
}

void StitchHarness::Run() {
  RunStitchOnly();
  ReadSpans();
}

bool StitchHarness::Idle() const {
  return std::all_of(partitions_.begin(), partitions_.end(),
                     [](const auto& p) { return p->Idle(); });
}

void StitchHarness::Finish() {
  Run();
  finished_ = true;
  for (auto& p : partitions_) p->Finish(clock.MonotonicNs());
  Run();
}

void StitchHarness::ReadSpans() {
  for (auto& reader : readers_) {
    std::vector<transport::Record> records;
    WEFT_CHECK(reader->Poll(SIZE_MAX, &records).has_value());
    for (const auto& record : records) {
      auto batch = api::DecodeSpans(record.payload);
      WEFT_CHECK(batch.has_value());
      watermarks_[batch->from_partition] =
          std::max(watermarks_[batch->from_partition], batch->watermark_ns);
      const weft_spans& s = batch->spans.spans();
      for (uint32_t i = 0; i < s.n; ++i) {
        Emitted e;
        e.span = s.span_id[i];
        e.parent = s.parent_id ? s.parent_id[i] : 0;
        e.trace_hi = s.trace_hi[i];
        e.trace_lo = s.trace_lo[i];
        e.start = s.start_ns[i];
        e.end = s.end_ns[i];
        e.flags = s.flags[i];
        e.evidence = s.evidence ? s.evidence[i] : 0;
        e.confidence = s.confidence ? s.confidence[i] : 0;
        e.service = api::View(s.strings[s.service[i]]);
        e.operation = api::View(s.strings[s.operation[i]]);
        if (s.truth) e.truth = api::View(s.truth_strings[s.truth[i]]);
        if (s.attr_offset)
          for (uint32_t a = s.attr_offset[i]; a < s.attr_offset[i + 1]; ++a) {
            const uint32_t pair = s.attr[a];
            if (s.pairs->type[pair] == WEFT_ATTR_STRING)
              e.text[std::string(api::View(s.strings[s.pairs->key[pair]]))] =
                  api::View(s.strings[s.pairs->value[pair]]);
          }
        if (s.candidate_offset)
          for (uint32_t c = s.candidate_offset[i]; c < s.candidate_offset[i + 1]; ++c) {
            e.candidates.push_back(s.candidate_span_id[c]);
            e.candidate_odds.push_back(s.candidate_log_odds[c]);
          }
        if ((e.flags & WEFT_FLAG_OPEN) != 0) {
          open_[e.span] = e;
          continue;
        }
        if (spans_.contains(e.span)) e.times = spans_[e.span].times + 1;
        spans_[e.span] = e;
      }
    }
  }
  spans_watermark_ = *std::min_element(watermarks_.begin(), watermarks_.end());
}

}  // namespace weft::testing
