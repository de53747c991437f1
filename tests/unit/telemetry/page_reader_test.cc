#include "engine/telemetry/page_reader.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/telemetry/exposition.h"

namespace weft::telemetry {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

MetricsReading Read(std::string_view page) {
  auto reading = MetricsReading::Parse(page);
  EXPECT_TRUE(reading.has_value()) << reading.error().message;
  return reading ? std::move(*reading) : MetricsReading();
}

std::string Refusal(std::string_view page) {
  const auto reading = MetricsReading::Parse(page);
  return reading ? "taken" : reading.error().message;
}

TEST(PageReader, ReadsWhatWeftWritesInBothFormats) {
  Metrics metrics;
  metrics.Get("sink.rows{sink=sqlite}").Add(7);
  metrics.Get("sink.rows{sink=otlp}").Add(5);
  metrics.GetHistogram("stage.commit_ns{stage=trace}").Observe(3 * kMillisecond);
  for (const PageFormat format : {PageFormat::kText, PageFormat::kOpenMetrics}) {
    const MetricsReading page = Read(MetricsPage(metrics, format, {"1.2.3", "run"}));
    EXPECT_EQ(page.Sum("weft_sink_rows_total"), 12);
    EXPECT_EQ(page.Sum("weft_sink_rows_total", "sink", "otlp"), 5);
    EXPECT_EQ(page.Max("weft_stage_commit_seconds_bucket", "le", "+Inf"), 1);
    ASSERT_THAT(page.Find("weft_build_info"), SizeIs(1));
    EXPECT_EQ(page.Find("weft_build_info")[0].Label("command"), "run");
  }
}

TEST(PageReader, ReadsEscapesBlanksTimeStampsAndValuesThatAreNoNumbers) {
  const MetricsReading page = Read(
      "a{x=\"q\\\"b\\\\n\\n\", y=\"\",} 1.5e3 1700000000000\r\n"
      "a  +Inf\n"
      "\n"
      "b\tNaN\n"
      "c_total 3 # {trace_id=\"1\"} 0.5\n");
  ASSERT_THAT(page.Find("a"), SizeIs(2));
  EXPECT_EQ(page.Find("a")[0].Label("x"), "q\"b\\n\n");
  EXPECT_TRUE(std::isinf(page.Find("a")[1].value));
  EXPECT_EQ(page.Sum("a"), 1500);
  EXPECT_EQ(page.Sum("b"), std::nullopt);
  EXPECT_EQ(page.Sum("c_total"), 3);
  EXPECT_EQ(page.Sum("not_there"), std::nullopt);
}

TEST(PageReader, ALineThatIsNoSampleRefusesThePageWithItsNumberAndReason) {
  EXPECT_EQ(Refusal("a 1\n<html>\n"), "line 2: no name of a metric: '<html>'");
  EXPECT_EQ(Refusal("a"), "line 1: no value: 'a'");
  EXPECT_EQ(Refusal("a \x1b[2J"), "line 1: no number: 'a ?[2J'");
  EXPECT_EQ(Refusal("a 1 x"), "line 1: text behind the value: 'a 1 x'");
  EXPECT_EQ(Refusal("a{x=\"1} 1"), "line 1: a label without its end: 'a{x=\"1} 1'");
  EXPECT_EQ(Refusal("a{x=1} 1"), "line 1: no value of a label: 'a{x=1} 1'");
  EXPECT_EQ(Refusal("a{x=\"1\"y=\"2\"} 1"), "line 1: no ',' between labels: 'a{x=\"1\"y=\"2\"} 1'");
  EXPECT_EQ(Refusal("a{=\"1\"} 1"), "line 1: no name of a label: 'a{=\"1\"} 1'");
}

TEST(PageReader, WhatItKeepsIsBounded) {
  std::string labels = "a{";
  for (size_t i = 0; i <= MetricsReading::kMaxLabels; ++i) labels += "x=\"\",";
  EXPECT_THAT(Refusal(labels + "} 1"), HasSubstr("too many labels"));
  std::string samples;
  for (size_t i = 0; i <= MetricsReading::kMaxSamples; ++i) samples += "a 1\n";
  EXPECT_THAT(Refusal(samples), HasSubstr("more than 100000 samples"));
  EXPECT_THAT(Refusal(std::string(MetricsReading::kMaxPageBytes + 1, '\n')),
              HasSubstr("larger than 16777216 bytes"));
}

}  // namespace
}  // namespace weft::telemetry
