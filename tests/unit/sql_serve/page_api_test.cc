#include "sql/serve/page_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sql_serve/serve_fixture.h"

namespace weft::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

class PageApiTest : public ServeTest {};

TEST_F(PageApiTest, ServesThePageForEveryViewAndNothingElse) {
  for (const char* path : {"/", "/search?service=a", "/trace/0abc", "/graph", "/red", "/sql"}) {
    const Reply page = Ask(path);
    EXPECT_EQ(page.status, 200) << path;
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8") << path;
  }
  EXPECT_EQ(Ask("/app.js").content_type, "text/javascript; charset=utf-8");
  for (const char* path :
       {"/nothing", "/web/app.js", "/..%2Fapp.js", "/%2e%2e/app.js", "/app.js/x"})
    EXPECT_EQ(Ask(path).status, 404) << path;
}

TEST_F(PageApiTest, LetsThePageLoadNothingFromElsewhere) {
  for (const char* path : {"/", "/api/services", "/nothing"}) {
    const Reply reply = Ask(path);
    std::string policy;
    for (const auto& [name, value] : reply.headers)
      if (name == "Content-Security-Policy") policy = value;
    EXPECT_THAT(policy, HasSubstr("default-src 'none'")) << path;
    EXPECT_THAT(policy, Not(HasSubstr("unsafe"))) << path;
    EXPECT_THAT(policy, Not(HasSubstr("http"))) << path;
  }
}

TEST_F(PageApiTest, SendsFilesThatAreKnownOnlyOnce) {
  const Reply first = Ask("/app.js");
  Request again;
  again.target = MakeTarget("/app.js");
  again.host = "localhost";
  for (const auto& [name, value] : first.headers)
    if (name == "ETag") again.if_none_match = value;
  EXPECT_EQ(service_.Answer(again, 1).status, 304);
}

TEST_F(PageApiTest, SearchesWithTheServicesOfEachTrace) {
  const Reply reply = Ask("/api/weft/search?errors=1");
  EXPECT_THAT(reply.body, HasSubstr("\"id\":\"0abc0000000000000000000000000002\""));
  EXPECT_THAT(reply.body, HasSubstr("{\"name\":\"pay\",\"spans\":1,\"errors\":1}"));
  EXPECT_THAT(reply.body, Not(HasSubstr("0abc0000000000000000000000000001")));
  EXPECT_EQ(Ask("/api/weft/search?min=soon").status, 400);
  EXPECT_EQ(Ask("/api/weft/search?attr=x").status, 400);
  EXPECT_EQ(Ask("/api/weft/search?from=5&to=4").status, 400);
}

TEST_F(PageApiTest, ShowsATraceByTheBeginningOfItsId) {
  const Reply reply = Ask("/api/weft/trace/0abc0000000000000000000000000002");
  const auto spans = Json(reply)["spans"].get_array().value();
  EXPECT_EQ(spans.size(), 5u);
  EXPECT_THAT(reply.body, HasSubstr("\"cause\":true"));
  EXPECT_THAT(reply.body, HasSubstr("\"confidence\":0.62"));
  EXPECT_EQ(Ask("/api/weft/trace/0abc").status, 400);  // two begin so
  EXPECT_EQ(Ask("/api/weft/trace/77").status, 404);
  EXPECT_EQ(Ask("/api/weft/trace/x").status, 400);
}

TEST_F(PageApiTest, ExplainsALink) {
  const Reply reply = Ask("/api/weft/explain/0000000000000024");
  EXPECT_THAT(reply.body, HasSubstr("delay: the call came when"));
  EXPECT_THAT(reply.body, HasSubstr("\"operation\":\"POST /order\""));
  EXPECT_THAT(reply.body, HasSubstr("\"chosen\":true"));
  EXPECT_EQ(Ask("/api/weft/explain/77").status, 404);
}

}  // namespace
}  // namespace weft::serve
