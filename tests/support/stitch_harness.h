// StitchHarness: all partitions of stage 1 over a memory transport on a manual clock, in one
// thread.
//
// Tests build observations with Observation and SpanOf, publish them as an agent, and read back
// what reached weft.spans. Time moves only with Advance. Not for production code.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/api/ids.h"
#include "engine/base/log.h"
#include "engine/stitch/stitch_partition.h"
#include "engine/transport/memory.h"

namespace weft::testing {

// One observation, with the fields that tests vary.
struct Observation {
  uint64_t process = 1;
  std::string service = "svc";
  uint8_t kind = WEFT_KIND_SERVER;
  uint64_t wire = 0;
  uint64_t option = 0;
  uint64_t exchange = 0;       // 0: from wire and kind
  int64_t start = 0, end = 0;  // end 0: open
  uint32_t tid = 0;
  uint32_t flags = 0;
  uint64_t context_hi = 0, context_lo = 0, context_span = 0;
  std::string remote = "127.0.0.1";
  std::string operation = "GET /";
  std::string truth = {};
  std::vector<uint32_t> tokens = {};
  std::string trace_state = {};

  bool server() const { return kind == WEFT_KIND_SERVER || kind == WEFT_KIND_CONSUMER; }
  api::Side side() const { return server() ? api::Side::kServer : api::Side::kClient; }
  uint64_t key() const {
    return exchange != 0 ? exchange : HashCombine(wire, static_cast<uint64_t>(side()) + 100);
  }
};

// What stage 2 would see of a span.
struct Emitted {
  uint64_t span = 0, parent = 0, trace_hi = 0, trace_lo = 0;
  int64_t start = 0, end = 0;
  uint32_t flags = 0, evidence = 0;
  float confidence = 0;
  std::string service, operation, truth;
  std::map<std::string, std::string> text;  // string attributes
  std::vector<uint64_t> candidates;
  std::vector<float> candidate_odds;
  int times = 1;  // how often it was emitted, ended
};

class StitchHarness {
 public:
  explicit StitchHarness(stitch::StitchConfig config = {},
                         std::vector<stitch::ChainLink> chain = {});

  // A batch of agent `agent` to one partition; now is the harness's clock.
  void Publish(const std::vector<Observation>& rows, int64_t watermark, uint64_t agent = 1,
               uint32_t partition = 0, bool last = false);
  void PublishRaw(transport::OutRecord record);
  // Reads, ticks and commits every partition until nothing moves.
  void Run();
  bool Step(uint32_t partition);  // one turn of one partition; false: nothing moved
  void RunStitchOnly();           // stage 2's side of weft.spans is somebody else's
  bool Idle() const;
  bool WantsInput(uint32_t partition) { return partitions_[partition]->WantsInput(); }
  void Advance(int64_t ns) {
    clock.Advance(ns);
    Run();
  }
  // Time passes and agent 1 says that nothing happened: watermarks move on by as much.
  void Beat(int64_t ns = 2 * kSecond) {
    clock.Advance(ns);
    for (uint32_t p = 0; p < config.partitions; ++p) Publish({}, clock.MonotonicNs(), 1, p);
    Run();
    Advance(config.watermark_every_ns);
  }
  // Closes the sources and drains.
  void Finish();
  // The owner of a partition dies without a word; another takes over.
  void TakeOver(uint32_t partition);

  // Spans of weft.spans by span id, ended ones; open ones in open().
  const std::map<uint64_t, Emitted>& spans() const { return spans_; }
  const std::map<uint64_t, Emitted>& open() const { return open_; }
  const Emitted& Server(uint64_t wire) { return spans_.at(api::SpanId(wire, api::Side::kServer)); }
  const Emitted& Client(uint64_t wire) { return spans_.at(api::SpanId(wire, api::Side::kClient)); }
  bool Has(uint64_t span_id) const { return spans_.contains(span_id); }
  uint64_t Count(std::string_view name) { return metrics.Get(name).Get(); }
  int64_t SpansWatermark() const { return spans_watermark_; }
  int64_t WatermarkLagNs(uint32_t partition) const {
    return partitions_[partition]->WatermarkLagNs();
  }

  ManualClock clock{1000 * kSecond};
  Metrics metrics;
  std::unique_ptr<transport::MemoryTransport> transport;
  stitch::StitchConfig config;

 private:
  void ReadSpans();

  std::vector<stitch::ChainLink> chain_;
  std::unique_ptr<Logger> logger_ = NullLogger();
  std::vector<std::unique_ptr<stitch::StitchPartition>> partitions_;
  std::vector<std::unique_ptr<transport::PartitionOwner>> owners_;
  std::vector<std::unique_ptr<transport::PartitionOwner>> readers_;
  std::map<std::pair<uint64_t, uint32_t>, uint64_t> sequence_;
  std::map<uint64_t, Emitted> spans_, open_;
  std::vector<int64_t> watermarks_;
  int64_t spans_watermark_ = INT64_MIN;
  bool finished_ = false;
};

}  // namespace weft::testing
