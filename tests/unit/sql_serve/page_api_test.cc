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

TEST_F(PageApiTest, CountsRatesSpanBySpanOfAShortTimeAndPerMinuteOfALongOne) {
  const Reply fine = Ask("/api/weft/red?service=front");
  EXPECT_THAT(fine.body, HasSubstr("\"by_span\":true"));
  EXPECT_THAT(fine.body, HasSubstr("\"operation\":\"POST /order\",\"requests\":1,\"errors\":1"));
  EXPECT_THAT(fine.body, Not(HasSubstr("\"service\":\"cart\"")));
  EXPECT_THAT(Ask("/api/weft/red").body, HasSubstr("\"service\":\"cart\""));
  EXPECT_EQ(Ask("/api/weft/red?last=soon").status, 400);
}

TEST_F(PageApiTest, DrawsCallsToWhatIsNotTracedToo) {
  const Reply reply = Ask("/api/weft/graph");
  EXPECT_THAT(reply.body, HasSubstr("{\"caller\":\"front\",\"callee\":\"pay\",\"traced\":true,"
                                    "\"calls\":1,\"errors\":1"));
  EXPECT_THAT(reply.body, HasSubstr("\"callee\":\"redis:6379\",\"traced\":false"));
}

TEST_F(PageApiTest, RunsOneStatementThatOnlyReads) {
  const Reply reply = Ask("/api/weft/sql", "POST",
                          "SELECT service, count(*), 1.5, NULL, x'00ff', 9007199254740993"
                          " FROM spans GROUP BY 1 ORDER BY 1;\n");
  EXPECT_THAT(reply.body, HasSubstr("\"rows\":[[\"cart\",3,1.5,null,\"x'00ff'\","
                                    "\"9007199254740993\"]"));
  EXPECT_THAT(reply.body, HasSubstr("\"truncated\":false"));
  EXPECT_THAT(Ask("/api/weft/sql?plan=1", "POST", "SELECT * FROM traces").body, HasSubstr("SCAN"));
  EXPECT_EQ(Ask("/api/weft/sql", "GET").status, 404);
}

TEST_F(PageApiTest, RefusesSqlThatDoesMoreThanRead) {
  for (const char* sql :
       {"ATTACH '/etc/passwd' AS x", "PRAGMA journal_mode = DELETE", "PRAGMA query_only",
        "CREATE TEMP TABLE t(a)", "DELETE FROM trace_rows", "INSERT INTO strings VALUES(1, 'a')",
        "SELECT load_extension('x')", "VACUUM INTO '/tmp/x'", "BEGIN", "DROP VIEW spans",
        "SELECT 1; SELECT 2", "SELECT ?1", "", "-- nothing", "SELEC 1", "ANALYZE", "REINDEX"}) {
    const Reply reply = Ask("/api/weft/sql", "POST", sql);
    EXPECT_TRUE(reply.status == 400 || reply.status == 403) << sql << ": " << reply.body;
  }
  // The connection is as it was before.
  EXPECT_EQ(Ask("/api/weft/trace/0abc0000000000000000000000000001").status, 200);
}

TEST_F(PageApiTest, BoundsWhatSqlTakes) {
  const std::string endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
  EXPECT_THAT(Ask("/api/weft/sql", "POST", endless + " SELECT i FROM n").body,
              HasSubstr("[5000]],\"truncated\":true"));
  EXPECT_NE(Ask("/api/weft/sql", "POST", "SELECT length(zeroblob(100000000))").status, 200);
  EXPECT_NE(
      Ask("/api/weft/sql", "POST",
          endless +
              " SELECT group_concat(printf('%.1000c', 'a')) FROM (SELECT i FROM n LIMIT 6000)")
          .status,
      200);
}

TEST_F(PageApiTest, KnowsEachViewWithAQuestionAndAnExampleThatRuns) {
  const auto views = Json(Ask("/api/weft/schema"))["views"].get_array().value();
  EXPECT_GT(views.size(), 20u);
  std::vector<std::string> examples;
  for (const auto view : views) {
    const std::string_view name = view["name"].get_string().value();
    EXPECT_FALSE(view["text"].get_string().value().empty() &&
                 view["question"].get_string().value().empty())
        << name;
    EXPECT_GT(view["columns"].get_array().value().size(), 0u) << name;
    examples.emplace_back(view["example"].get_string().value());
  }
  for (const std::string& example : examples) {
    if (example.empty()) continue;
    const Reply reply = Ask("/api/weft/sql", "POST", example);
    EXPECT_EQ(reply.status, 200) << example << ": " << reply.body;
  }
}

// The clock of this service does not move, so it needs a real one.
TEST(PageSql, EndsWhenItsTimeIsOver) {
  test::ShopStore store;
  SystemClock clock;
  ReaderPool pool({.names = {store.path()}, .query_ns = 30 * kMillisecond}, clock);
  const Service service(Access({}), pool, clock);
  Request request;
  request.method = "POST";
  request.host = "localhost";
  request.target = MakeTarget("/api/weft/sql");
  request.body =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  const Reply reply = service.Answer(request, 1);
  EXPECT_EQ(reply.status, 504);
  EXPECT_THAT(reply.body, HasSubstr("not done after 30ms"));
}

// A single call cannot be interrupted: each of these would take minutes.
TEST_F(PageApiTest, RefusesCallsThatNobodyCouldInterrupt) {
  const std::string long_text = "printf('%.*c', 1000000, 'a')";
  const std::vector<std::string> calls = {
      "instr(" + long_text + ", printf('%.*c', 500000, 'a') || 'b')",
      "replace(" + long_text + ", printf('%.*c', 500000, 'a') || 'b', '')",
      "trim(" + long_text + ", printf('%.*c', 500000, 'b') || 'a')",
      "ltrim(" + long_text + ", printf('%.*c', 500000, 'b') || 'a')",
      "rtrim(" + long_text + ", printf('%.*c', 500000, 'b') || 'a')",
      "json_patch(" + long_text + ", " + long_text + ")",
      long_text + " LIKE '%' || printf('%.*c', 50000, 'a') || 'b'",
      long_text + " GLOB '*' || printf('%.*c', 50000, 'a') || 'b'"};
  for (const std::string& call : calls) {
    const Reply reply = Ask("/api/weft/sql", "POST", "SELECT " + call);
    EXPECT_EQ(reply.status, 400) << call;
    EXPECT_THAT(reply.body, ::testing::AnyOf(HasSubstr("takes too long here"),
                                             HasSubstr("pattern too complex")))
        << call;
  }
  EXPECT_THAT(
      Ask("/api/weft/sql", "POST",
          "SELECT instr('abc', 'c'), instr(x'0102', x'02'), instr(NULL, 'a'), "
          "replace('abc', 'b', 7),"
          " trim('xax', 'x'), ltrim('xax', 'x'), rtrim('xax', 'x'),"
          " 'abc' LIKE 'A%', 'a%c' LIKE 'a!%c' ESCAPE '!', 'abc' GLOB 'A*', NULL LIKE 'a',"
          " json_patch('{\"a\":1}', '{\"b\":2}')")
          .body,
      HasSubstr(R"("rows":[[3,2,null,"a7c","a","ax","xa",1,1,0,null,"{\"a\":1,\"b\":2}"]])"));
}

}  // namespace
}  // namespace weft::serve
