// What exported spans say they stand for, where callers have sampled before weft: summed up, it is
// all traffic, whatever weft samples itself.
#include <cmath>
#include <list>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "engine/base/config.h"
#include "engine/base/hash.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/trace/trace_partition.h"

namespace weft {
namespace {

constexpr uint64_t kRange = uint64_t{1} << 56;

// As a backend counts a span.
double AdjustedCount(std::string_view state) {
  const size_t at = state.find("th:");
  if (at == state.npos) return 1;
  std::string digits(state.substr(at + 3, state.substr(at + 3).find_first_of(",;")));
  digits.resize(14, '0');
  return 1 / (1 - static_cast<double>(std::stoull(digits, nullptr, 16)) / std::pow(2.0, 56));
}

// Callers keep a quarter of their traces, by trace id, and say so in the context of their requests.
// weft sees all requests and the calls that they make; of the traces that are kept the programs
// report the same calls as well.
class UpstreamWeights : public ::testing::Test {
 protected:
  static constexpr uint64_t kTraces = 20'000;
  struct Sums {
    double servers = 0, clients = 0, traces = 0;
    uint64_t kept = 0;
  };

  Sums Run(const std::string& samplers) {
    Start(samplers);
    Sums sums;
    for (uint64_t id = 1; id <= kTraces; ++id) {
      Trace(id);
      if (id % 500 == 0) Second(sums);
    }
    return sums;
  }

 private:
  void Start(const std::string& samplers) {
    const auto config = ParseConfig("samplers: [" + samplers + "]", "test.yaml");
    ASSERT_TRUE(config) << config.error().message;
    std::vector<trace::Sampler> chain;
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    for (const PluginChoice& choice : config->samplers) {
      auto loaded = loader.Load(plugin::Kind::kSampler, choice.name);
      ASSERT_TRUE(loaded) << loaded.error().message;
      auto made =
          plugin::PluginInstance::Create(*loaded, choice.config_json, {*log_, metrics_, clock_});
      ASSERT_TRUE(made) << made.error().message;
      instances_.push_back(std::move(*made));
      chain.push_back({choice.name, &instances_.back().sampler(), instances_.back().handle()});
    }
    trace::TraceConfig settings;
    settings.linger_ns = 0;
    partition_ = std::make_unique<trace::TracePartition>(
        settings, trace::Tenure{0, 1, 0, now_ns_, 1}, chain, metrics_, *log_);
  }

  void Trace(uint64_t id) {
    const uint64_t hi = Mix64(id), lo = Mix64(Mix64(id));
    const bool sampled = (lo & (kRange - 1)) >= kRange / 4 * 3;
    const uint32_t context =
        WEFT_FLAG_CONTEXT | (sampled ? WEFT_FLAG_SAMPLED : WEFT_FLAG_UNSAMPLED);
    Span(hi, lo, 10 * id, 7, WEFT_KIND_SERVER, context | WEFT_FLAG_LOCAL_ROOT, sampled);
    Span(hi, lo, 10 * id + 1, 10 * id, WEFT_KIND_CLIENT, context, sampled);
    if (sampled)
      Span(hi, lo, 10 * id + 1, 10 * id, WEFT_KIND_CLIENT, WEFT_FLAG_REPORTED | WEFT_FLAG_SAMPLED,
           true);
  }

  void Span(uint64_t hi, uint64_t lo, uint64_t id, uint64_t parent, uint8_t kind, uint32_t flags,
            bool state) {
    const uint32_t row = table_.AddRow();
    table_.trace_hi[row] = hi;
    table_.trace_lo[row] = lo;
    table_.span_id[row] = id;
    table_.parent_id[row] = parent;
    table_.exchange[row] = id * 2 + ((flags & WEFT_FLAG_REPORTED) != 0);
    table_.kind[row] = kind;
    table_.flags[row] = flags;
    table_.start_ns[row] = now_ns_ + kind;
    table_.end_ns[row] = now_ns_ + 1'000'000;
    if (table_.processes.size() == 0) table_.AddProcess(1, "node-1", "shop", "/bin/x", 1);
    table_.service[row] = table_.Intern("shop");
    table_.operation[row] = table_.Intern("GET /");
    if (state) table_.Attribute("w3c.tracestate", "vendor=1,ot=th:c");
  }

  void Second(Sums& sums) {
    now_ns_ += 1'000'000'000;
    for (const int64_t watermark : {int64_t{0}, now_ns_ + 1}) {
      transport::Record record;
      record.stream = transport::Stream::kSpans;
      record.type = transport::RecordType::kSpanBatch;
      record.offset = next_offset_++;
      record.append_ns = now_ns_;
      record.payload = api::EncodeSpans(table_, 0, watermark);
      partition_->Consume(record);
      table_.Clear();
    }
    (void)partition_->Tick(now_ns_, true);
    for (const auto& batch : partition_->TakeExports()) {
      Count(*batch, sums);
      partition_->Acknowledge(batch->number);
    }
  }

  static void Count(const trace::ExportBatch& batch, Sums& sums) {
    const weft_spans& s = batch.view.spans();
    for (uint32_t row = 0; row < s.n; ++row) {
      double count = 1;
      for (uint32_t a = s.attr_offset[row]; a < s.attr_offset[row + 1]; ++a)
        if (batch.view.Text(s.pairs->key[s.attr[a]]) == "w3c.tracestate")
          count = AdjustedCount(batch.view.Text(static_cast<uint32_t>(s.pairs->value[s.attr[a]])));
      (s.kind[row] == WEFT_KIND_SERVER ? sums.servers : sums.clients) += count;
    }
    for (const double weight : batch.traces.weight) sums.traces += weight;
    sums.kept += batch.traces.n();
  }

  ManualClock clock_{0, 1'700'000'000'000'000'000};
  Metrics metrics_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::list<plugin::PluginInstance> instances_;
  std::unique_ptr<trace::TracePartition> partition_;
  api::SpanTable table_;
  int64_t now_ns_ = 1'700'000'000'000'000'000;
  uint64_t next_offset_ = 0;
};

TEST_F(UpstreamWeights, WithoutSamplersEachSpanStandsForItself) {
  const Sums sums = Run("");
  EXPECT_EQ(sums.kept, kTraces);
  EXPECT_EQ(sums.servers, kTraces);
  EXPECT_EQ(sums.clients, kTraces);
  EXPECT_EQ(sums.traces, kTraces);
}

TEST_F(UpstreamWeights, WhatSamplersKeepStandsForAllTraffic) {
  constexpr const char* kHead = "{name: head, config: {ratio: 0.1}}";
  constexpr const char* kRest = "{name: tail, config: {rules: [{name: rest, keep: 0.05}]}}";
  struct Case {
    std::string samplers;
    double share;
  };
  for (const Case& one : {
           Case{"{name: head, config: {ratio: 0.5}}", 0.5},
           Case{kHead, 0.1},
           Case{kRest, 0.05},
           Case{"{name: parent}", 0.25},
           Case{"{name: parent, config: {not_sampled: keep}}", 1},
           // By the same trace ids: the smaller share is a part of the larger one.
           Case{std::string(kHead) + "," + kRest, 0.05},
           Case{std::string(kRest) + "," + kHead, 0.05},
           Case{std::string("{name: parent},") + kHead, 0.1},
           Case{"{name: head, config: {ratio: 0.5}}, {name: parent}", 0.25},
           // By another chance: both.
           Case{std::string(kHead) +
                    ", {name: rate, config: {traces_per_second: 10, burst_seconds: 1}}",
                0.02},
           Case{"{name: parent}, {name: tail, config: {policies: [{name: p, type: probabilistic,"
                " probabilistic: {sampling_percentage: 20}}]}}",
                0.05},
       }) {
    const Sums sums = Run(one.samplers);
    const double kept = one.share * kTraces;
    EXPECT_NEAR(static_cast<double>(sums.kept), kept, 5 * std::sqrt(kept) * (one.share < 1))
        << one.samplers;
    // What a budget still owes at the end, and four digits of a threshold.
    const double error = kTraces * (5 * std::sqrt((1 - one.share) / kept) + 0.005);
    EXPECT_NEAR(sums.servers, kTraces, error) << one.samplers;
    EXPECT_NEAR(sums.clients, kTraces, error) << one.samplers;
    EXPECT_NEAR(sums.traces, kTraces, error) << one.samplers;
  }
}

}  // namespace
}  // namespace weft
