// Spans that others write to a topic reach stage 2 by trace, each exactly once.
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/hash.h"
#include "engine/cli/kafka_ledger.h"
#include "engine/graph/engine.h"
#include "sources/otlp/otlp_topics.h"
#include "tests/integration/kafka/kafka_harness.h"
#include "tests/support/otlp_message.h"

namespace weft::transport {
namespace {

int32_t TakeAll(void*, const weft_spans*, const weft_traces*, const weft_source*, weft_error*) {
  return WEFT_EXPORT_OK;
}
const weft_exporter kTakeAll{sizeof(weft_exporter), TakeAll, nullptr, nullptr, nullptr};

class OtlpTopicsTest : public KafkaTest {
 protected:
  std::unique_ptr<otlp::OtlpTopics> Start(uint32_t partitions) {
    KafkaOptions options = Options();
    options.settings.instance = "one";
    auto started = otlp::OtlpTopics::Start({Otlp()}, options, partitions, clock_, metrics_, *log_);
    EXPECT_TRUE(started.has_value()) << started.error().message;
    return std::move(*started);
  }
  // Waits until so many were handed on.
  void WaitFor(uint64_t spans) {
    // A reader that went while the group was changing may be waited for, see session.timeout.ms.
    for (int i = 0; i < 900 && Count("otlp.spans") < spans; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ASSERT_EQ(Count("otlp.spans"), spans);
  }
  void Write(uint64_t first_trace, int traces, uint32_t partitions = 1) {
    ForeignProducer producer(broker_->bootstrap(), "");
    for (int i = 0; i < traces; ++i) {
      const uint64_t trace = first_trace + static_cast<uint64_t>(i);
      producer.Produce(
          Otlp(), static_cast<uint32_t>(i) % partitions,
          test::OtlpMessage("shop",
                            {test::OtlpSpan({.trace_lo = trace, .span_id = 1}),
                             test::OtlpSpan({.trace_lo = trace, .span_id = 2, .parent_id = 1})}),
          {});
    }
  }
  // An engine with both stages and a store that takes everything.
  std::unique_ptr<graph::Engine> StartEngine(Transport& transport) {
    graph::EnginePlugins plugins;
    plugins.make = [](Stage, uint32_t) { return graph::ShardPlugins{}; };
    plugins.exporters = {{"null", &kTakeAll, nullptr}};
    auto engine = graph::Engine::Start({}, std::move(plugins), transport, clock_, metrics_, *log_);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return std::move(*engine);
  }
  // What `weft doctor --kafka` sums up.
  cli::KafkaLedger Ledger(KafkaTransport& transport) {
    std::vector<api::StageLedger> stages;
    const auto read = transport.VisitState([&](const Record& record) {
      if (record.type == RecordType::kStageLedger)
        stages.push_back(api::DecodeStageLedger(record.payload).value());
    });
    EXPECT_TRUE(read.has_value()) << read.error().message;
    return cli::SumLedgers(stages, {});
  }
  void WaitUntilSettled(KafkaTransport& transport, uint64_t spans) {
    for (int i = 0; i < 300 && Ledger(transport).all.settled() < spans; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ASSERT_EQ(Ledger(transport).all.settled(), spans);
  }
  // (trace, span) of everything in weft.spans; each must be in the partition of its trace.
  std::multiset<std::pair<uint64_t, uint64_t>> ReadSpans(uint32_t partitions) {
    std::multiset<std::pair<uint64_t, uint64_t>> out;
    const auto transport = Open();
    const auto member = transport->Join(Stage::kTrace).value();
    for (const uint32_t p : Gain(*member, partitions)) {
      const auto owner = transport->Own(Stage::kTrace, p).value();
      for (const Record& record : ReadAll(*transport, *owner)) {
        if (record.stream != Stream::kSpans) continue;
        const auto batch = api::DecodeSpans(record.payload);
        EXPECT_TRUE(batch.has_value());
        const weft_spans& s = batch->spans.spans();
        for (uint32_t i = 0; i < s.n; ++i) {
          EXPECT_EQ(PartitionOf(api::TraceKey({s.trace_hi[i], s.trace_lo[i]}), partitions), p);
          EXPECT_TRUE(s.flags[i] & WEFT_FLAG_REPORTED);
          out.emplace(s.trace_lo[i], s.span_id[i]);
        }
      }
    }
    return out;
  }

  // Some topic that the harness has made and that nobody else reads.
  std::string Otlp() const { return Topic(Stream::kEvents); }
};

TEST_F(OtlpTopicsTest, ReachStageTwoByTraceAndExactlyOnceAcrossRestarts) {
  MakeTopics(4);
  Write(100, 20);
  {
    const auto source = Start(4);
    WaitFor(40);
  }
  Write(200, 20);
  {
    const auto source = Start(4);
    WaitFor(80);
  }
  const auto spans = ReadSpans(4);
  EXPECT_EQ(spans.size(), 80u);
  EXPECT_EQ(std::set(spans.begin(), spans.end()).size(), 80u);
}

// As where an agent and an engine have the same configuration.
TEST_F(OtlpTopicsTest, SeveralReadersShareTheTopicsAndHandEachSpanOnOnce) {
  MakeTopics(4);
  std::vector<std::unique_ptr<otlp::OtlpTopics>> readers;
  uint64_t trace = 100, spans = 0;
  for (int round = 0; round < 5; ++round) {
    if (round < 3)
      readers.push_back(Start(4));
    else
      readers.erase(readers.begin());
    for (int i = 0; i < 5; ++i, trace += 20, spans += 40) Write(trace, 20, 4);
  }
  WaitFor(spans);
  readers.clear();
  const auto read = ReadSpans(4);
  EXPECT_EQ(read.size(), spans);
  EXPECT_EQ(std::set(read.begin(), read.end()).size(), spans);
}

TEST_F(OtlpTopicsTest, TheLedgerSumsUpOverRestartsOfSourceAndEngine) {
  MakeTopics(4);
  for (uint64_t run = 1; run <= 2; ++run) {
    const auto transport = Open();
    const auto engine = StartEngine(*transport);
    const auto source = Start(4);
    Write(100 * run, 20);
    WaitFor(40 * run);
    WaitUntilSettled(*transport, 40 * run);

    const cli::KafkaLedger ledger = Ledger(*transport);
    EXPECT_EQ(ledger.all.reported, 40 * run);
    EXPECT_EQ(ledger.all.stored, 40 * run);
    EXPECT_EQ(ledger.to_settle(), 0);
    EXPECT_EQ(ledger.unexplained(), 0u);
    // None of these was observed by an agent, so each partition settles what others wrote to it.
    for (const auto& [partition, sums] : ledger.partitions)
      EXPECT_EQ(sums.reported, sums.settled()) << partition;
    EXPECT_TRUE(engine->Stop(clock_.MonotonicNs() + 20 * kSecond));
  }
}

TEST_F(OtlpTopicsTest, WhatIsNoOtlpIsDeadAndTheRestGoesOn) {
  MakeTopics(2);
  {
    ForeignProducer producer(broker_->bootstrap(), "");
    producer.Produce(Otlp(), 0, "no OTLP", {});
    producer.Produce(Otlp(), 0, "{\"resourceSpans\":7}", {});
  }
  Write(7, 1);
  const auto source = Start(2);
  WaitFor(2);
  EXPECT_EQ(Count("otlp.bad_messages"), 2u);
}

}  // namespace
}  // namespace weft::transport
