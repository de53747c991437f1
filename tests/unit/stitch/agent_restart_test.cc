// An agent that is killed while records are in its spool, and its successor, as stage 1 sees them.
#include <gtest/gtest.h>

#include "engine/api/ids.h"
#include "engine/transport/spool.h"
#include "sources/publisher.h"
#include "tests/support/stitch_harness.h"
#include "tests/support/temp_folder.h"

namespace weft::testing {
namespace {

// A source's way into a spool, without a thread.
class Intake final : public transport::Publisher {
 public:
  Intake(StitchHarness& harness, const std::string& folder) : harness_(harness) {
    auto spool = transport::Spool::Open({.folder = folder}, harness.clock, harness.metrics, *log_);
    EXPECT_TRUE(spool.has_value()) << spool.error().message;
    spool_ = std::move(*spool);
  }
  uint32_t partitions() const override { return harness_.config.partitions; }
  int64_t LogTimeNs() const override { return harness_.clock.MonotonicNs(); }
  Result<void> Publish(transport::OutRecord record, int64_t) override {
    spool_->Append(std::move(record));
    return {};
  }
  void CloseSources() override {}
  // To the log; whether the agent lives to hear of it is another question.
  void Deliver(bool acknowledged) {
    while (auto record = spool_->Next()) {
      const uint64_t ticket = record->ticket;
      harness_.PublishRaw(std::move(*record));
      if (acknowledged) spool_->Settle(ticket, true);
    }
    harness_.Run();
  }

 private:
  StitchHarness& harness_;
  std::unique_ptr<Logger> log_ = NullLogger();
  std::unique_ptr<transport::Spool> spool_;
};

class AgentRestartTest : public ::testing::Test {
 protected:
  struct Process {
    Process(StitchHarness& harness, const std::string& folder, uint64_t agent)
        : intake(harness, folder),
          source({"h1", "alpha", agent, 5}, {}, intake, harness.clock, harness.metrics) {}
    Intake intake;
    sources::Publisher source;
  };
  void Add(Process& process, uint64_t exchange, int64_t start, int64_t end) {
    api::SpanTable& table = process.source.AddRow({.id = 3, .pid = 7, .service_name = "cart"});
    const uint32_t row = table.n() - 1;
    table.kind[row] = WEFT_KIND_SERVER;
    table.exchange[row] = exchange;
    table.start_ns[row] = start;
    table.end_ns[row] = end;
    table.flags[row] = end == 0 ? WEFT_FLAG_OPEN : 0;
  }
  void Tick(Process& process) {
    harness_.clock.Advance(100 * kMillisecond);
    process.source.Tick(harness_.clock.MonotonicNs() - 50 * kMillisecond);
  }
  const Emitted& Span(uint64_t exchange) {
    return harness_.spans().at(api::SpanId(exchange, api::Side::kServer));
  }

  test::TempFolder folder_;
  StitchHarness harness_;
};

TEST_F(AgentRestartTest, WhatWasSpooledIsNeitherLostNorDoubleAndNobodyIsDeclaredLost) {
  const int64_t begin = harness_.clock.MonotonicNs();
  {
    Process first(harness_, folder_.File("spool"), 1);
    Add(first, 11, begin, begin + 1000);
    Tick(first);
    first.intake.Deliver(true);
    Add(first, 12, begin + 2000, begin + 3000);
    Add(first, 13, begin + 2000, 0);
    Tick(first);
    first.intake.Deliver(false);  // it is in the log, but the agent is killed before it knows
    Add(first, 14, begin + 4000, begin + 5000);
    Tick(first);
  }
  harness_.Advance(5 * kSecond);
  Process second(harness_, folder_.File("spool"), 2);
  Add(second, 21, harness_.clock.MonotonicNs(), harness_.clock.MonotonicNs() + 1000);
  Tick(second);
  second.intake.Deliver(true);
  for (int i = 0; i < 300; ++i) {  // half a minute
    Tick(second);
    second.intake.Deliver(true);
  }
  EXPECT_EQ(harness_.Count("stitch.duplicate_batches"), 1u);
  EXPECT_EQ(harness_.Count("stitch.sequence_gaps"), 0u);
  EXPECT_EQ(harness_.Count("stitch.agents_lost"), 0u);
  EXPECT_EQ(harness_.Count("stitch.late"), 0u);
  for (const uint64_t exchange : {11, 12, 13, 14, 21}) EXPECT_EQ(Span(exchange).times, 1);
  EXPECT_TRUE(Span(13).flags & WEFT_FLAG_OPEN_AT_EXIT);
  EXPECT_EQ(harness_.Count("stitch.spans"), 4u);
}

}  // namespace
}  // namespace weft::testing
