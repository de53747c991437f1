#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sinks/otlp/otlp_proto.h"
#include "sources/otlp/otlp_json.h"
#include "sources/otlp/otlp_proto.h"
#include "tests/support/otlp_message.h"
#include "tests/support/shown_rows.h"

namespace weft::otlp {
namespace {

using protozero::pbf_writer;
using test::AnyInt;
using test::AnyText;
using test::KeyText;
using test::KeyValue;
using test::OtlpMessage;
using test::OtlpSpan;
using test::ShowRows;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Proto(std::string_view message) {
  api::SpanTable table;
  const auto decoded = ProtoDecoder().Decode(message, &table);
  EXPECT_TRUE(decoded.has_value()) << decoded.error().message;
  return ShowRows(table);
}

std::vector<std::string> Json(std::string_view message) {
  api::SpanTable table;
  const auto decoded = JsonDecoder().Decode(message, &table);
  EXPECT_TRUE(decoded.has_value()) << decoded.error().message;
  return ShowRows(table);
}

// A span with everything that OTLP knows.
std::string FullSpan() {
  std::string span = OtlpSpan({.trace_hi = 0x0102030405060708,
                               .trace_lo = 0x090a0b0c0d0e0f10,
                               .span_id = 0x1112131415161718,
                               .parent_id = 0x2122232425262728,
                               .name = "POST /cart",
                               .kind = 3});
  std::string event, link, status, list, map, any;
  {
    pbf_writer writer(event);
    writer.add_fixed64(1, 1'700'000'000'100'000'000);
    writer.add_string(2, "exception");
    writer.add_message(3, KeyText("exception.type", "Error"));
  }
  {
    pbf_writer writer(link);
    writer.add_bytes(1, test::Bytes(5) + test::Bytes(6));
    writer.add_bytes(2, test::Bytes(7));
    writer.add_string(3, "a=b");
    writer.add_message(4, KeyValue("n", AnyInt(-4)));
  }
  {
    pbf_writer writer(status);
    writer.add_string(2, "it broke");
    writer.add_enum(3, 2);
  }
  {
    pbf_writer writer(list);
    writer.add_message(1, AnyText("a \"b\""));
    writer.add_message(1, AnyInt(2));
  }
  pbf_writer(map).add_message(1, KeyText("k", "v"));
  pbf_writer writer(span);
  const auto add = [&](std::string_view key, auto fill) {
    std::string value;
    fill(pbf_writer(value));
    writer.add_message(9, KeyValue(key, value));
  };
  writer.add_string(3, "vendor=1");
  writer.add_message(9, KeyText("http.request.method", "POST"));
  writer.add_message(9, KeyValue("retries", AnyInt(-3)));
  add("ratio", [](pbf_writer w) { w.add_double(4, 0.25); });
  add("cached", [](pbf_writer w) { w.add_bool(2, true); });
  add("list", [&](pbf_writer w) { w.add_message(5, list); });
  add("map", [&](pbf_writer w) { w.add_message(6, map); });
  add("bytes", [](pbf_writer w) { w.add_bytes(7, std::string("\0\xff?", 3)); });
  writer.add_uint32(10, 1);
  writer.add_message(11, event);
  writer.add_uint32(12, 2);
  writer.add_message(13, link);
  writer.add_uint32(14, 3);
  writer.add_message(15, status);
  return span;
}

constexpr const char* kFullRow =
    "0102030405060708090a0b0c0d0e0f10 1112131415161718 <- 2122232425262728 3 'POST /cart' "
    "1700000000000000000..1700000000500000000 status 2 flags 2048 {bytes='AP8/' cached=true "
    "http.request.method='POST' list='[\"a \\\"b\\\"\",2]' map='{\"k\":\"v\"}' "
    "otel.dropped_attributes_count=1 otel.dropped_events_count=2 otel.dropped_links_count=3 "
    "otel.events='[{\"timeUnixNano\":\"1700000000100000000\",\"name\":\"exception\","
    "\"attributes\":{\"exception.type\":\"Error\"}}]' "
    "otel.links='[{\"traceId\":\"00000000000000050000000000000006\",\"spanId\":"
    "\"0000000000000007\",\"traceState\":\"a=b\",\"attributes\":{\"n\":-4}}]' "
    "otel.scope.name='my.lib' otel.status_description='it broke' ratio=0.25d retries=-3 "
    "w3c.tracestate='vendor=1'} of cart host '' exe '' pid 0 {}";

TEST(OtlpProto, ReadsEveryFieldOfASpan) {
  EXPECT_THAT(Proto(OtlpMessage("cart", {FullSpan()}, "my.lib")), ElementsAre(kFullRow));
}

TEST(OtlpJson, ReadsTheSameFromJson) {
  EXPECT_THAT(Json(R"({"resourceSpans":[{"resource":{"attributes":[
      {"key":"service.name","value":{"stringValue":"cart"}}]},
    "scopeSpans":[{"scope":{"name":"my.lib"},"spans":[{
      "traceId":"0102030405060708090A0b0c0d0e0f10","spanId":"1112131415161718",
      "parentSpanId":"2122232425262728","traceState":"vendor=1","name":"POST /cart","kind":3,
      "startTimeUnixNano":"1700000000000000000","endTimeUnixNano":1700000000500000000,
      "attributes":[
        {"key":"http.request.method","value":{"stringValue":"POST"}},
        {"key":"retries","value":{"intValue":"-3"}},
        {"key":"ratio","value":{"doubleValue":0.25}},
        {"key":"cached","value":{"boolValue":true}},
        {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a \"b\""},{"intValue":2}]}}},
        {"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}},
        {"key":"bytes","value":{"bytesValue":"AP8/"}}],
      "droppedAttributesCount":1,"droppedEventsCount":2,"droppedLinksCount":3,
      "events":[{"timeUnixNano":"1700000000100000000","name":"exception",
        "attributes":[{"key":"exception.type","value":{"stringValue":"Error"}}]}],
      "links":[{"traceId":"00000000000000050000000000000006","spanId":"0000000000000007",
        "traceState":"a=b","attributes":[{"key":"n","value":{"intValue":"-4"}}]}],
      "status":{"message":"it broke","code":"STATUS_CODE_ERROR"}}]}]}]})"),
              ElementsAre(kFullRow));
}

TEST(OtlpProto, WhatTheSinkWritesIsReadBackTheSame) {
  const std::string message =
      OtlpMessage("cart", {FullSpan(), OtlpSpan({.span_id = 9, .parent_id = 3})}, "my.lib") +
      OtlpMessage("shop", {OtlpSpan({.span_id = 10})});
  api::SpanTable table;
  ASSERT_TRUE(ProtoDecoder().Decode(message, &table).has_value());
  const api::SpanView view = table.View();
  sinks::OtlpProto encoder;
  encoder.Begin(view.spans());
  std::string written;
  const uint32_t rows[] = {0, 1, 2};
  encoder.Append(rows, &written);
  api::SpanTable again;
  ASSERT_TRUE(ProtoDecoder().Decode(written, &again).has_value());
  // The flags have become an attribute.
  std::vector<std::string> shown = ShowRows(again);
  for (std::string& line : shown)
    line = std::regex_replace(line, std::regex(" ?weft.flags=[0-9]+"), "");
  EXPECT_EQ(shown, ShowRows(table));
}

TEST(OtlpProto, TheResourceMayComeAfterItsSpans) {
  std::string scope_spans, resource, resource_spans, message;
  pbf_writer(scope_spans).add_message(2, OtlpSpan({}));
  {
    pbf_writer writer(resource);
    writer.add_message(1, KeyText("service.name", "late"));
    writer.add_message(1, KeyText("host.name", "node-1"));
    writer.add_message(1, KeyText("process.executable.path", "/bin/late"));
    writer.add_message(1, KeyValue("process.pid", AnyInt(17)));
    writer.add_message(1, KeyText("k8s.pod.name", "late-1"));
  }
  pbf_writer(resource_spans).add_message(2, scope_spans);
  pbf_writer(resource_spans).add_message(1, resource);
  pbf_writer(message).add_message(1, resource_spans);
  EXPECT_THAT(Proto(message),
              ElementsAre(HasSubstr(
                  "of late host 'node-1' exe '/bin/late' pid 17 {k8s.pod.name='late-1'}")));
}

TEST(OtlpProto, InstancesOfAServiceAreProcessesOfTheirOwn) {
  api::SpanTable table;
  ProtoDecoder decoder;
  for (const char* service : {"a", "b", "a"})
    ASSERT_TRUE(decoder.Decode(OtlpMessage(service, {OtlpSpan({})}), &table).has_value());
  EXPECT_EQ(table.processes.size(), 2u);
  EXPECT_EQ(table.process[0], table.process[2]);
  EXPECT_NE(table.process[0], table.process[1]);
}

TEST(OtlpProto, SpansThatCannotBeAreLeftOutAndCounted) {
  std::string short_trace, short_parent = OtlpSpan({});
  {
    pbf_writer writer(short_trace);
    writer.add_bytes(1, "1234");
    writer.add_bytes(2, test::Bytes(3));
    writer.add_fixed64(7, 1);
  }
  pbf_writer(short_parent).add_bytes(4, "123");
  api::SpanTable table;
  const auto decoded = ProtoDecoder().Decode(
      OtlpMessage("x", {short_trace, short_parent, OtlpSpan({.trace_hi = 0, .trace_lo = 0}),
                        OtlpSpan({.span_id = 0}), OtlpSpan({.start_ns = 0}),
                        OtlpSpan({.end_ns = UINT64_MAX}), std::string(), OtlpSpan({})}),
      &table);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(decoded->spans, 1u);
  EXPECT_EQ(decoded->invalid, 7u);
  EXPECT_EQ(table.n(), 1u);
}

TEST(OtlpProto, TheSampledFlagOfItsContextIsAFlag) {
  std::string span = test::OtlpSpan({});
  protozero::pbf_writer(span).add_fixed32(16, 0x101);
  api::SpanTable out;
  ASSERT_TRUE(ProtoDecoder().Decode(test::OtlpMessage("a", {span, test::OtlpSpan({})}), &out));
  EXPECT_TRUE(out.flags[0] & WEFT_FLAG_SAMPLED);
  EXPECT_FALSE(out.flags[1] & WEFT_FLAG_SAMPLED);
}

TEST(OtlpProto, ASpanThatEndsBeforeItBeginsHasNoLength) {
  EXPECT_THAT(Proto(OtlpMessage("x", {OtlpSpan({.start_ns = 50, .end_ns = 0})})),
              ElementsAre(HasSubstr(" 50..50 ")));
}

TEST(OtlpProto, FieldsOfAnotherTypeAreUnknownFields) {
  std::string span = OtlpSpan({}), message = OtlpMessage("x", {span});
  pbf_writer writer(span);
  writer.add_uint64(9, 3);      // attributes as a number
  writer.add_bytes(7, "text");  // the start as text
  writer.add_fixed32(16, 0x300);
  writer.add_string(999, "new in a later version");
  EXPECT_EQ(Proto(OtlpMessage("x", {span})), Proto(message));
}

// Texts of one length, of all lengths, with the same beginnings and ends: what was seen before must
// not be taken for another.
TEST(OtlpProto, AttributesAndNamesOfAnyLengthAreReadAsTheyAre) {
  std::vector<std::string> spans, expected;
  for (size_t n = 0; n < 300; ++n) {
    const std::string text = std::string(n, 'x') + (n % 3 == 0 ? "end" : n % 3 == 1 ? "END" : "");
    const std::string key = "k" + std::string(n % 140, 'y');
    std::string span = OtlpSpan({.span_id = n + 1, .name = "name " + text});
    pbf_writer writer(span);
    writer.add_message(9, KeyText(key, text));
    writer.add_message(9, KeyText("same", "value"));
    writer.add_message(9, KeyValue("number", AnyInt(static_cast<int64_t>(n))));
    spans.push_back(span);
    expected.push_back("name " + text + "|" + key + "=" + text + "|same=value|number");
  }
  api::SpanTable table;
  ASSERT_TRUE(ProtoDecoder().Decode(OtlpMessage("shop", spans), &table));
  const api::SpanView view = table.View();
  ASSERT_EQ(table.n(), spans.size());
  for (uint32_t row = 0; row < table.n(); ++row) {
    std::string read(view.Text(table.operation[row]));
    for (uint32_t a = table.attr_offset[row]; a < table.attr_offset[row + 1]; ++a) {
      const uint32_t pair = table.attr[a];
      read += "|" + std::string(view.Text(table.pairs.key[pair]));
      if (table.pairs.type[pair] == WEFT_ATTR_STRING)
        read += "=" + std::string(view.Text(static_cast<uint32_t>(table.pairs.value[pair])));
      else
        EXPECT_EQ(table.pairs.value[pair], row);
    }
    EXPECT_EQ(read, expected[row]);
  }
}

TEST(OtlpProto, CutOffBytesAreCorrupt) {
  const std::string message = OtlpMessage("cart", {FullSpan()}, "my.lib");
  for (size_t size = 1; size < message.size(); ++size) {
    api::SpanTable table;
    const auto decoded = ProtoDecoder().Decode(std::string_view(message).substr(0, size), &table);
    ASSERT_FALSE(decoded.has_value()) << size;
    EXPECT_EQ(decoded.error().code, Code::kCorrupt);
  }
}

TEST(OtlpProto, DeepValuesAreCutOff) {
  std::string any = AnyText("bottom");
  for (int depth = 0; depth < 200; ++depth) {
    std::string list, outer;
    pbf_writer(list).add_message(1, any);
    pbf_writer(outer).add_message(5, list);
    any = std::move(outer);
  }
  std::string span = OtlpSpan({});
  pbf_writer(span).add_message(9, KeyValue("deep", any));
  EXPECT_THAT(Proto(OtlpMessage("x", {span})),
              ElementsAre(AllOf(HasSubstr("deep='[[["), HasSubstr("null"))));
}

TEST(OtlpJson, WhatIsNoOtlpIsCorrupt) {
  for (const char* text : {"", "{", "[]", "{}", "{\"resourceSpans\":3}", "null"}) {
    api::SpanTable table;
    const auto decoded = JsonDecoder().Decode(text, &table);
    ASSERT_FALSE(decoded.has_value()) << text;
    EXPECT_EQ(decoded.error().code, Code::kCorrupt);
  }
}

TEST(OtlpJson, AfterALargeMessageOthersAreReadAsBefore) {
  JsonDecoder decoder;
  const auto message = [](size_t padding) {
    return R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":")" + std::string(32, '1') +
           R"(","spanId":")" + std::string(16, '2') +
           R"(","startTimeUnixNano":"1000","endTimeUnixNano":"2000","name":")" +
           std::string(padding, 'x') + R"("}]}]}]})";
  };
  for (const size_t padding : {size_t{1}, size_t{5} << 20, size_t{1}, size_t{5} << 20}) {
    api::SpanTable table;
    const auto decoded = decoder.Decode(message(padding), &table);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(decoded->spans, 1u);
  }
}

TEST(OtlpJson, OddTypesAreNothingAndBadIdsAreCounted) {
  api::SpanTable table;
  const auto decoded = JsonDecoder().Decode(
      R"({"resourceSpans":[1,{"resource":7,"scopeSpans":{}},{"scopeSpans":[{"spans":[
        {"traceId":"zz","spanId":"1"},{"traceId":12,"spanId":null},"no span",
        {"traceId":"+0000000000000010000000000000001","spanId":"0000000000000001"},
        {"traceId":"00000000000000010000000000000001","spanId":"0000000000000001","name":5,
         "kind":-3,"startTimeUnixNano":12.0,"endTimeUnixNano":"x","attributes":[{"key":"a"},3,
         {"key":"b","value":{"stringValue":4}},{"value":{"stringValue":"no key"}}]}]}]}]})",
      &table);
  ASSERT_TRUE(decoded.has_value()) << decoded.error().message;
  EXPECT_EQ(decoded->spans, 1u);
  EXPECT_EQ(decoded->invalid, 4u);
  EXPECT_THAT(ShowRows(table), ElementsAre(HasSubstr("1 '' 12..12 status 0 flags 2056 {='no key' "
                                                     "b=''} of unknown_service")));
}

// Comparing each with all before it took minutes.
TEST(OtlpDecode, AMessageMayHaveVeryManyResources) {
  std::string message;
  pbf_writer out(message);
  for (int i = 0; i < 300'000; ++i) {
    std::string resource, spans;
    pbf_writer(resource).add_message(1, KeyText("service.name", std::to_string(i)));
    pbf_writer(spans).add_message(1, resource);
    out.add_message(1, spans);
  }
  api::SpanTable table;
  ASSERT_TRUE(ProtoDecoder().Decode(message, &table));
  EXPECT_EQ(table.processes.process_id.size(), 300'000u);
}

}  // namespace
}  // namespace weft::otlp
