#include "sinks/zipkin/zipkin_json.h"

#include <gtest/gtest.h>

#include "tests/support/trace_batch.h"

namespace weft::sinks {
namespace {

std::string Json(test::TraceBatch& batch) {
  std::string out;
  const api::SpanView view = batch.table.View();
  AppendZipkinSpan(out, view.spans(), 0);
  return out;
}

TEST(ZipkinJson, HasIdsTimesInMicrosecondsAndBothEnds) {
  test::TraceBatch batch;
  batch.BeginTrace(0x1, 0x2);
  const uint32_t row =
      batch.AddSpan(0xa, 0xb, WEFT_KIND_CLIENT, "cart", "GET", 1'500'000, 1'500'400);
  batch.table.remote_address[row] = batch.table.Intern("10.0.0.1");
  batch.table.remote_port[row] = 6379;
  batch.table.peer[row] = batch.table.Intern("redis");
  EXPECT_EQ(Json(batch),
            R"({"traceId":"00000000000000010000000000000002","id":"000000000000000a",)"
            R"("parentId":"000000000000000b","name":"GET","kind":"CLIENT","timestamp":1500,)"
            R"("duration":1,"localEndpoint":{"serviceName":"cart"},)"
            R"("remoteEndpoint":{"serviceName":"redis","ipv4":"10.0.0.1","port":6379},"tags":{}})");
}

TEST(ZipkinJson, EveryTagIsTextAndAFailureIsTheTagError) {
  test::TraceBatch batch;
  batch.BeginTrace(1, 2);
  batch.AddSpan(1, 0, WEFT_KIND_SERVER, "cart", "GET /", 1000, 2000, WEFT_STATUS_ERROR);
  batch.table.StaticAttribute("http.response.status_code", int64_t{500});
  batch.table.StaticAttribute("otel.status_description", std::string_view("no such item"));
  const std::string json = Json(batch);
  EXPECT_NE(json.find(R"("tags":{"http.response.status_code":"500","error":"no such item"})"),
            std::string::npos)
      << json;
}

TEST(ZipkinJson, EventsAreAnnotations) {
  test::TraceBatch batch;
  batch.BeginTrace(1, 2);
  batch.AddSpan(1, 0, WEFT_KIND_SERVER, "cart", "GET /", 1000, 2000);
  batch.table.StaticAttribute(
      "otel.events",
      std::string_view(R"([{"timeUnixNano":"5000","name":"retry","attributes":{}}])"));
  const std::string json = Json(batch);
  EXPECT_NE(json.find(R"("annotations":[{"timestamp":5,"value":"retry"}])"), std::string::npos)
      << json;
  EXPECT_EQ(json.find("otel.events"), std::string::npos);
}

}  // namespace
}  // namespace weft::sinks
