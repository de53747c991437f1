#include "sql/serve/jaeger_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sql_serve/serve_fixture.h"

namespace weft::serve {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class JaegerApiTest : public ServeTest {};

TEST_F(JaegerApiTest, ListsServicesAndTheirOperations) {
  EXPECT_EQ(Ask("/api/services").body,
            "{\"data\":[\"cart\",\"front\",\"pay\"],\"total\":3,\"limit\":0,\"offset\":0,"
            "\"errors\":null}\n");
  EXPECT_EQ(Ask("/api/services/front/operations").body,
            "{\"data\":[\"GET\",\"GET /cart/{id}\",\"POST /order\"],\"total\":3,\"limit\":0,"
            "\"offset\":0,\"errors\":null}\n");
  EXPECT_EQ(Ask("/api/operations?service=front&spanKind=client").body,
            "{\"data\":[{\"name\":\"GET\",\"spanKind\":\"client\"}],\"total\":1,\"limit\":0,"
            "\"offset\":0,\"errors\":null}\n");
  EXPECT_EQ(Ask("/api/operations").status, 400);
}

TEST_F(JaegerApiTest, FindsTracesByWhatOneSpanHas) {
  const auto found = [&](const std::string& query) {
    size_t traces = 0;
    std::string all;
    for (const auto trace : Json(Ask("/api/traces?" + query))["data"].get_array()) {
      ++traces;
      std::string_view id;
      EXPECT_EQ(trace["traceID"].get(id), simdjson::SUCCESS);
      all += id.back();
    }
    return all;
  };
  EXPECT_EQ(found("service=front"), "21");
  EXPECT_EQ(found("service=front&limit=1"), "2");
  EXPECT_EQ(found("service=pay"), "2");
  EXPECT_EQ(found("service=front&operation=POST+/order"), "2");
  EXPECT_EQ(found("service=front&minDuration=100ms"), "2");
  EXPECT_EQ(found("service=front&maxDuration=60ms"), "21");
  EXPECT_EQ(found("service=front&tags=%7B%22error%22%3A%22true%22%7D"), "2");
  EXPECT_EQ(found("service=front&tag=url.path:/cart/17"), "1");
  EXPECT_EQ(found("service=front&tag=http.response.status_code:500"), "2");
  EXPECT_EQ(found("service=cart&tag=span.kind:client"), "1");
  EXPECT_EQ(found("service=pay&tag=span.kind:client"), "");
  EXPECT_EQ(found("service=front&limit=0"), "");
  EXPECT_EQ(found("service=front&end=1"), "");
  EXPECT_EQ(found("service=nobody"), "");
}

TEST_F(JaegerApiTest, GivesTracesByIdAndNamesThoseThatAreMissing) {
  const std::string known = "0abc0000000000000000000000000001";
  EXPECT_EQ(Ask("/api/traces/" + known).status, 200);
  EXPECT_EQ(Ask("/api/traces/abc0000000000000000000000000001").status, 200);
  const Reply both = Ask("/api/traces?traceID=" + known + "&traceID=77");
  EXPECT_THAT(both.body, HasSubstr("\"traceID\":\"" + known));
  EXPECT_THAT(both.body, HasSubstr("\"errors\":[{\"msg\":\"trace not found\",\"traceID\":"
                                   "\"0000000000000077\"}]"));
}

TEST_F(JaegerApiTest, AnswersErrorsAsJaegerDoes) {
  const Reply missing = Ask("/api/traces/77");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.body,
            "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":404,"
            "\"msg\":\"trace not found\"}]}\n");
  EXPECT_EQ(Ask("/api/traces/xyz").status, 400);
  EXPECT_EQ(Ask("/api/traces/" + std::string(33, '1')).status, 400);
  EXPECT_EQ(Ask("/api/traces/77?start=x").status, 400);
  EXPECT_EQ(Ask("/api/dependencies?lookback=x").status, 400);
  EXPECT_EQ(Ask("/api/nothing").status, 404);
  EXPECT_EQ(Ask("/api/services", "POST").status, 405);
}

TEST_F(JaegerApiTest, AnswersItsThirdVersionInOtlp) {
  EXPECT_EQ(Ask("/api/v3/services").body, "{\"services\":[\"cart\",\"front\",\"pay\"]}");
  EXPECT_EQ(Ask("/api/v3/operations?service=pay&span_kind=server").body,
            "{\"operations\":[{\"name\":\"POST /pay\",\"spanKind\":\"server\"}]}");
  const auto spans =
      Json(Ask("/api/v3/traces/abc0000000000000000000000000002"))["result"]["resourceSpans"];
  EXPECT_EQ(spans.get_array().value().size(), 3u);  // one of each process
  const std::string range =
      "query.start_time_min=2023-11-14T00:00:00Z&query.start_time_max=2023-11-15T00:00:00Z";
  EXPECT_EQ(Ask("/api/v3/traces?query.service_name=pay&" + range).status, 200);
  const Reply none = Ask("/api/v3/traces?query.serviceName=nobody&" + range);
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.body, "{\"error\":{\"httpCode\":404,\"message\":\"No traces found\"}}");
  EXPECT_EQ(Ask("/api/v3/traces?query.service_name=pay").status, 400);
  EXPECT_EQ(Ask("/api/v3/traces/xyz").status, 400);
}

TEST_F(JaegerApiTest, CountsCallsBetweenTracedServices) {
  EXPECT_THAT(Ask("/api/dependencies").body,
              StartsWith("{\"data\":[{\"parent\":\"front\",\"child\":\"cart\",\"callCount\":2},"
                         "{\"parent\":\"front\",\"child\":\"pay\",\"callCount\":1}]"));
  EXPECT_THAT(Ask("/api/dependencies?lookback=1").body, StartsWith("{\"data\":[]"));
}

}  // namespace
}  // namespace weft::serve
