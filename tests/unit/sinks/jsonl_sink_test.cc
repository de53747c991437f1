#include "sinks/jsonl/jsonl_sink.h"

#include <fstream>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "tests/support/temp_folder.h"
#include "tests/support/trace_batch.h"

namespace weft::sinks {
namespace {

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

test::TraceBatch TwoServices() {
  test::TraceBatch batch;
  batch.BeginTrace(0x4bf92f3577b34da6, 0xa3ce929d0e0e4736);
  batch.AddSpan(0x00f067aa0ba902b7, 0, WEFT_KIND_SERVER, "front", "GET /",
                1'700'000'000'000'000'001, 1'700'000'000'000'000'009, WEFT_STATUS_ERROR);
  batch.AddSpan(2, 0x00f067aa0ba902b7, WEFT_KIND_CLIENT, "front", "GET", 5, 6);
  batch.table.Attribute("http.response.status_code", int64_t{200});
  batch.table.Attribute("url.path", "/a\"b");
  batch.table.local_port.back() = 80;
  batch.table.Truth("r1.1");
  batch.AddSpan(3, 2, WEFT_KIND_SERVER, "back", "GET /x", 5, 6);
  return batch;
}

TEST(JsonlSink, WritesOtlpByTheJsonRulesOfTheProtocol) {
  test::TempFolder folder;
  const std::string path = folder.File("out.jsonl");
  auto sink = JsonlSink::Open(path);
  ASSERT_TRUE(sink) << sink.error().message;
  const test::TraceBatch batch = TwoServices();
  const api::SpanView view = batch.table.View();
  Error error;
  ASSERT_EQ((*sink)->Write(view.spans(), &error), WEFT_EXPORT_OK) << error.message;
  ASSERT_TRUE((*sink)->Flush());
  const auto lines = Lines(path);
  ASSERT_EQ(lines.size(), 1u);

  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(lines[0]);
  const simdjson::dom::array resources = root["resourceSpans"];
  ASSERT_EQ(resources.size(), 2u);
  const auto front = resources.at(0);
  EXPECT_EQ(std::string_view(front.at_pointer("/resource/attributes/0/value/stringValue")),
            "front");
  const auto span = front.at_pointer("/scopeSpans/0/spans/0").value();
  EXPECT_EQ(std::string_view(span["traceId"]), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(std::string_view(span["spanId"]), "00f067aa0ba902b7");
  EXPECT_NE(span["parentSpanId"].error(), simdjson::SUCCESS);
  EXPECT_EQ(std::string_view(span["startTimeUnixNano"]), "1700000000000000001");
  EXPECT_EQ(int64_t(span["kind"]), 2);
  EXPECT_EQ(int64_t(span.at_pointer("/status/code")), 2);
  const auto child = front.at_pointer("/scopeSpans/0/spans/1").value();
  EXPECT_EQ(std::string_view(child["parentSpanId"]), "00f067aa0ba902b7");
  EXPECT_EQ(std::string_view(child.at_pointer("/attributes/0/value/intValue")), "200");
  EXPECT_EQ(std::string_view(child.at_pointer("/attributes/1/value/stringValue")), "/a\"b");
}

TEST(JsonlSink, ATraceStateAndTheSampledFlagAreFieldsOfTheSpan) {
  test::TraceBatch batch = TwoServices();
  batch.table.Attribute("w3c.tracestate", "ot=th:8");
  batch.table.flags.back() |= WEFT_FLAG_SAMPLED;
  std::string out;
  const api::SpanView view = batch.table.View();
  OtlpJson().AppendTracesData(out, view.spans(), 0, 3);
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.parse(out);
  const auto plain = root.at_pointer("/resourceSpans/0/scopeSpans/0/spans/0").value();
  EXPECT_NE(plain["traceState"].error(), simdjson::SUCCESS);
  EXPECT_NE(plain["flags"].error(), simdjson::SUCCESS);
  const auto sampled = root.at_pointer("/resourceSpans/1/scopeSpans/0/spans/0").value();
  EXPECT_EQ(std::string_view(sampled["traceState"]), "ot=th:8");
  EXPECT_EQ(int64_t(sampled["flags"]), 1);
  EXPECT_EQ(out.find("w3c.tracestate"), out.npos);
}

TEST(JsonlSink, FactsOfTheColumnsAreAttributesUnlessTheSpanSaysThemItself) {
  test::TraceBatch batch = TwoServices();
  OtlpJson encoder;
  std::string out;
  const api::SpanView view = batch.table.View();
  encoder.AppendTracesData(out, view.spans(), 1, 2);
  EXPECT_NE(out.find(R"({"key":"network.local.port","value":{"intValue":"80"}})"), out.npos);
  EXPECT_NE(out.find(R"({"key":"weft.truth","value":{"stringValue":"r1.1"}})"), out.npos);
  batch.AddSpan(4, 2, WEFT_KIND_SERVER, "back", "GET /x", 5, 6);
  batch.table.Attribute("network.local.port", int64_t{81});
  batch.table.local_port.back() = 80;
  out.clear();
  const api::SpanView again = batch.table.View();
  encoder.AppendTracesData(out, again.spans(), 3, 4);
  EXPECT_EQ(out.find("\"80\""), out.npos);
}

TEST(JsonlSink, SaysWhyAFileCannotBeOpened) {
  const auto sink = JsonlSink::Open("/nonexistent/out.jsonl");
  ASSERT_FALSE(sink);
  EXPECT_NE(sink.error().message.find("No such file"), std::string::npos);
}

TEST(JsonlSink, AFullDiskMeansRetry) {
  auto sink = JsonlSink::Open("/dev/full");
  if (!sink) GTEST_SKIP() << "no /dev/full here";
  const test::TraceBatch batch = TwoServices();
  const api::SpanView view = batch.table.View();
  Error error;
  EXPECT_EQ((*sink)->Write(view.spans(), &error), WEFT_EXPORT_RETRY);
  EXPECT_EQ(error.code, Code::kFull);
}

}  // namespace
}  // namespace weft::sinks
