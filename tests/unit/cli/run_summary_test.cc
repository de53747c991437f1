#include "engine/cli/run_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/clock.h"

namespace weft::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

RunSummary Summary() {
  RunSummary summary;
  summary.stats.traces = 3;
  summary.stats.spans = 12;
  summary.counters = {{"agent.observed", 12}, {"sink.rows{sink=sqlite}", 12},
                      {"stitch.emitted", 12}, {"stitch.spans", 12},
                      {"trace.kept", 12},     {"trace.spans", 12}};
  summary.elapsed_ns = 2 * kSecond;
  summary.cpu_seconds = 0.5;
  summary.db = "weft.db";
  return summary;
}

TEST(RunSummary, SaysWhatWasTracedWhereItIsAndWhatToTryNext) {
  EXPECT_THAT(Summary().Text(),
              AllOf(HasSubstr("3 traces of 12 spans in 2s; weft used 0.25 cores"),
                    HasSubstr("observed 12 = stored 12 + sampled out 0 + lost 0; unexplained 0"),
                    HasSubstr("weft traces\n"), Not(HasSubstr("--db"))));
}

TEST(RunSummary, NamesTheStoreInTheCommandsWhereItIsNotTheUsualOne) {
  RunSummary summary = Summary();
  summary.db = "shop.db";
  EXPECT_THAT(summary.Text(), HasSubstr("weft traces --db shop.db"));
}

TEST(RunSummary, AnEmptyRunPointsToDoctor) {
  RunSummary summary = Summary();
  summary.stats = {};
  EXPECT_THAT(summary.Text(), HasSubstr("try: weft doctor"));
}

TEST(RunSummary, JsonHasTheFiguresThatReportsNeed) {
  EXPECT_THAT(Summary().Json(),
              AllOf(HasSubstr("\"traces\": 3"), HasSubstr("\"agent_cpu_cores\": 0.25"),
                    HasSubstr("\"unexplained\": 0"), HasSubstr("\"agent.observed\": 12")));
}

// A replay of which the exporter refused every batch ended with exit code 0.
TEST(RunSummary, ARunThatAnExporterRefusedIsAFailure) {
  RunSummary summary = Summary();
  EXPECT_TRUE(summary.CheckStored());
  summary.counters.emplace_back("sink.dropped{sink=sqlite}", 7);
  const auto stored = summary.CheckStored();
  ASSERT_FALSE(stored);
  EXPECT_THAT(stored.error().message, HasSubstr("7 spans were not stored"));
}

TEST(RunSummary, AnExporterThatMayDropIsNamedButIsNoFailure) {
  RunSummary summary = Summary();
  summary.expendable = {"jaeger"};
  summary.counters.emplace_back("sink.dropped{sink=jaeger}", 7);
  EXPECT_TRUE(summary.CheckStored());
  EXPECT_THAT(summary.Text(), HasSubstr("jaeger: 7 spans were not delivered"));
  summary.counters.emplace_back("sink.dropped{sink=sqlite}", 1);
  EXPECT_FALSE(summary.CheckStored());
}

// A wrong password, an address of something else: no waiting helps, so somebody has to be told.
TEST(RunSummary, WhatIsRefusedForGoodIsAFailureOfAnExporterThatMayDropToo) {
  RunSummary summary = Summary();
  summary.expendable = {"jaeger"};
  summary.counters.emplace_back("sink.dropped{sink=jaeger}", 7);
  summary.counters.emplace_back("sink.refused{sink=jaeger}", 7);
  EXPECT_THAT(summary.Text(), Not(HasSubstr("not delivered")));
  const auto stored = summary.CheckStored();
  ASSERT_FALSE(stored);
  EXPECT_THAT(stored.error().message, HasSubstr("7 spans were refused by jaeger for good"));
}

TEST(RunSummary, MeasuresThisProcess) {
  RunSummary summary;
  MeasureProcess(&summary);
  EXPECT_GT(summary.max_rss_mb, 1);
}

}  // namespace
}  // namespace weft::cli
