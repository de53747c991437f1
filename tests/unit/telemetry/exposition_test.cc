#include "engine/telemetry/exposition.h"

#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/telemetry/catalogue.h"
#include "tests/support/exposition_parser.h"
#include "tests/support/temp_folder.h"

namespace weft::telemetry {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testsupport::ParsedPage;
using testsupport::ParseMetricsPage;

// Something of every kind, with values that nobody chose for their looks.
void Fill(Metrics& metrics) {
  metrics.Get("agent.observed").Add(12);
  metrics.Get("sink.rows{sink=sqlite}").Add(18446744073709551615u);
  metrics.Get("sink.rows{sink=odd \"name\"\\ of\na sink}").Add(2);
  metrics.Get("sink.pending{sink=sqlite}").Set(5);
  metrics.Get("plugin.delay.cold_windows").Add(3);
  metrics.Get("plugin.third-party.so what? {x}").Add(4);
  metrics.Get("nobody.described-this").Add(1);
  metrics.GetHistogram("stage.commit_ns{stage=stitch}").Observe(3 * kMillisecond);
  metrics.GetHistogram("stage.commit_ns{stage=stitch}").Observe(300 * kSecond);
  metrics.GetHistogram("stage.commit_ns{stage=trace}");
}

TEST(Exposition, BothFormatsAreWellFormed) {
  Metrics metrics;
  Fill(metrics);
  PassingGauge gauge(metrics, "stage.lag_ns{stage=stitch,partition=3}");
  gauge.Set(1'500'000'000);
  for (const PageFormat format : {PageFormat::kText, PageFormat::kOpenMetrics}) {
    const std::string text = MetricsPage(metrics, format, {"1.2.3", "run"});
    const ParsedPage page = ParseMetricsPage(text, format == PageFormat::kOpenMetrics);
    EXPECT_THAT(page.mistakes, IsEmpty()) << text;
    EXPECT_EQ(page.Value("weft_agent_observed_total"), 12);
    EXPECT_EQ(page.Value(R"(weft_sink_rows_total{sink="odd \"name\"\\ of\na sink"})"), 2);
    EXPECT_DOUBLE_EQ(page.Value(R"(weft_stage_lag_seconds{stage="stitch",partition="3"})"), 1.5);
    EXPECT_EQ(page.Value(R"(weft_plugin_events_total{plugin="third-party",event="so what? {x}"})"),
              4);
    EXPECT_EQ(page.Value("weft_nobody_described_this"), 1);
    EXPECT_EQ(page.Value(R"(weft_stage_commit_seconds_bucket{stage="stitch",le="0.0025"})"), 0);
    EXPECT_EQ(page.Value(R"(weft_stage_commit_seconds_bucket{stage="stitch",le="0.005"})"), 1);
    EXPECT_EQ(page.Value(R"(weft_stage_commit_seconds_bucket{stage="stitch",le="+Inf"})"), 2);
    EXPECT_EQ(page.Value(R"(weft_stage_commit_seconds_sum{stage="stitch"})"), 300.003);
    EXPECT_EQ(page.Value(R"(weft_build_info{version="1.2.3",command="run"})"), 1);
    EXPECT_GT(page.Value("process_resident_memory_bytes"), 1e6);
    EXPECT_GT(page.Value("process_start_time_seconds"), 1.7e9);
  }
}

TEST(Exposition, CountersAreNotRounded) {
  Metrics metrics;
  Fill(metrics);
  EXPECT_THAT(MetricsPage(metrics, PageFormat::kText, {}),
              HasSubstr("weft_sink_rows_total{sink=\"sqlite\"} 18446744073709551615\n"));
}

TEST(Exposition, TheFormatIsTheOneThatWasAskedFor) {
  EXPECT_EQ(ChooseFormat(""), PageFormat::kText);
  EXPECT_EQ(ChooseFormat("text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), PageFormat::kText);
  EXPECT_EQ(ChooseFormat("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"),
            PageFormat::kOpenMetrics);
}

TEST(Exposition, WhatTheTestReaderRefusesIsReallyWrong) {
  for (const char* wrong :
       {"x 1\n", "# HELP x y\n# TYPE x gauge\nx one\n", "# HELP x y\n# TYPE x gauge\nx{a=1} 1\n",
        "# HELP x y\n# TYPE x gauge\nx 1\nx 1\n", "# HELP x y\n# TYPE x counter\nx 1\n",
        "# TYPE x gauge\nx 1\n", "# HELP x y\n# TYPE x gauge\nx 1", "# HELP x y\nx 1\n",
        "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"1\"} 1\nx_sum 1\nx_count 1\n",
        "# HELP x y\n# TYPE x histogram\nx_bucket{le=\"1\"} 2\nx_bucket{le=\"+Inf\"} 1\n"})
    EXPECT_FALSE(ParseMetricsPage(wrong, false).mistakes.empty()) << wrong;
}

// The judge that operators use, where it is installed (Debian package prometheus).
TEST(Exposition, PromtoolTakesThePage) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0)
    GTEST_SKIP() << "promtool is not here (apt-get install prometheus)";
  Metrics metrics;
  for (const MetricInfo& metric : Catalogue()) {
    std::string name(metric.name);
    if (!metric.labels.empty()) name += "{" + std::string(metric.labels) + "=x}";
    if (metric.kind == MetricKind::kHistogram)
      metrics.GetHistogram(name).Observe(kSecond);
    else
      metrics.Get(name).Add();
  }
  test::TempFolder folder;
  const std::string page = folder.path() / "page", said = folder.path() / "said";
  std::ofstream(page) << MetricsPage(metrics, PageFormat::kText, {"1.2.3", "run"});
  const int code = std::system(("promtool check metrics <" + page + " >" + said + " 2>&1").c_str());
  std::ifstream file(said);
  EXPECT_EQ(code, 0) << std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(Exposition, SpansAreShownAsGrafanaReadsThem) {
  Metrics metrics;
  const auto page = [&](PageFormat format) {
    const std::string text = MetricsPage(metrics, format, {"1.2.3", "run"});
    EXPECT_THAT(ParseMetricsPage(text, format == PageFormat::kOpenMetrics).mistakes, IsEmpty())
        << text;
    return text;
  };
  EXPECT_THAT(page(PageFormat::kText), testing::Not(HasSubstr("traces_")));  // off
  metrics.spans().SetLimit(3);
  SpanSeries::OperationChange operation;
  const SpanSeries::Exemplar exemplar{1, 2, 3 * kMillisecond, 1'700'000'000'500'000'000};
  operation.durations.Observe(3 * kMillisecond, &exemplar);
  SpanSeries::EdgeChange edge;
  edge.requests = 2;
  edge.failed = 1;
  edge.client.Observe(kSecond, nullptr);
  using Connection = SpanSeries::Connection;
  metrics.spans().Add({{{"shop", "GET \"/\"", 2, 0}, operation}, {{"shop", "B", 3, 2}, operation}},
                      {{{"web", "10.0.0.7:6379", Connection::kDatabase}, edge},
                       {{"web", "cart", Connection::kTraced}, edge}},
                      1);
  const std::string text = page(PageFormat::kText);
  for (
      const char* line :
      {R"(traces_spanmetrics_calls_total{service="shop",span_name="GET \"/\"",span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET"} 1)",
       R"(traces_service_graph_request_total{client="web",server="10.0.0.7:6379",connection_type="database"} 2)",
       R"(traces_service_graph_request_failed_total{otel_metric_overflow="true"} 1)",
       R"(traces_service_graph_request_client_seconds_sum{client="web",server="10.0.0.7:6379",connection_type="database"} 1)"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(text, testing::Not(HasSubstr("trace_id")));
  EXPECT_THAT(page(PageFormat::kOpenMetrics),
              HasSubstr(R"(le="0.005"} 1 # {trace_id="00000000000000010000000000000002"} 0.003 )"
                        "1700000000.500"));
}

}  // namespace
}  // namespace weft::telemetry
