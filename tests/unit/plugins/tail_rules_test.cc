// tail with rules in order, and the conditions of OTTL.
#include <gmock/gmock.h>

#include "tests/unit/plugins/sampler_fixture.h"

namespace weft {
namespace {

using ::testing::HasSubstr;

class TailRules : public SamplerFixture {};

TEST_F(TailRules, TheFirstThatHoldsDecides) {
  Load("tail", R"({"rules":[
    {"name":"health","keep":0,"if":{"type":"string_attribute",
      "string_attribute":{"key":"url.path","values":["/health"]}}},
    {"name":"errors","if":{"type":"status_code","status_code":{"status_codes":["ERROR"]}}},
    {"name":"rest","keep":0.25}]})");
  Root(1, WEFT_STATUS_ERROR);
  batch_.table.Attribute("url.path", "/health");
  Root(1, WEFT_STATUS_ERROR);
  for (int i = 0; i < 20'000; ++i) Root(1);
  const Answers a = Ask();
  EXPECT_EQ(a.rule[0], "tail/health");
  EXPECT_EQ(a.keep[0], 0);
  EXPECT_EQ(a.rule[1], "tail/errors");
  EXPECT_EQ(a.keep[1], 1);
  EXPECT_EQ(a.weight[1], 1);
  EXPECT_NEAR(a.kept(), 5'001, Tolerance(20'000, 0.25));
}

TEST_F(TailRules, WhatNoRuleIsForIsKept) {
  Load("tail", R"({"rules":[{"name":"slow","keep":0,
    "if":{"type":"latency","latency":{"threshold_ms":500}}}]})");
  Root(1);
  EXPECT_EQ(KeptBy(), "tail/no-match");
}

TEST_F(TailRules, ARuleMayFollowTheLoad) {
  Load("tail", R"({"rules":[{"name":"rest","adaptive":{"per_operation":10}}]})");
  for (int64_t second = 1; second < 30; ++second) {
    for (int i = 0; i < 1'000; ++i) Root(1);
    const uint32_t kept = Ask(second * 1'000'000'000).kept();
    if (second > 5) {
      EXPECT_NEAR(kept, 10, 15);
    }
  }
}

TEST_F(TailRules, RefusesRulesThatCannotBe) {
  const auto refusal = [&](std::string_view rules) {
    return Refusal("tail", R"({"rules":)" + std::string(rules) + "}");
  };
  EXPECT_THAT(refusal(R"([{"name":"a"},{"name":"b"}])"), HasSubstr("this one is for none"));
  EXPECT_THAT(refusal(R"([{"name":"a","keep":2}])"), HasSubstr("from 0 to 1"));
  EXPECT_THAT(refusal(R"([{"name":"a","if":{"type":"probabilistic","probabilistic":{}}}])"),
              HasSubstr("cannot depend on chance"));
  EXPECT_THAT(Refusal("tail", "{}"), HasSubstr("one of policies and rules"));
}

class TailOttl : public SamplerFixture {
 protected:
  // Does the condition hold for a span with many attributes?
  bool Holds(std::string condition, const char* where = "span") {
    for (size_t at = 0; (at = condition.find('"', at)) != condition.npos; at += 2)
      condition.insert(at, "\\");
    Load("tail", R"({"policies":[{"name":"p","type":"ottl_condition","ottl_condition":{")" +
                     std::string(where) + R"(":[")" + condition + "\"]}}]}");
    const uint32_t row = Root(250'000'000, WEFT_STATUS_ERROR, "shop", "GET /cart");
    batch_.table.Attribute("http.request.method", "GET");
    batch_.table.Attribute("http.status_code", int64_t{503});
    batch_.table.Attribute("ratio", 0.5);
    batch_.table.Attribute("debug", true);
    batch_.table.Attribute("port", "8080");
    batch_.table.Attribute("otel.events", R"([{"timeUnixNano":"5","name":"exception","attributes":)"
                                          R"({"exception.type":"Timeout","n":3}}])");
    batch_.table.ProcessAttribute("deployment.environment", "prod");
    batch_.table.remote_port[row] = 4711;
    return Ask().keep.at(0) != 0;
  }
  std::string WhyNot(std::string_view condition) {
    return Refusal("tail", R"({"policies":[{"name":"p","type":"ottl_condition",)"
                           R"("ottl_condition":{"span":[")" +
                               std::string(condition) + "\"]}}]}");
  }
};

TEST_F(TailOttl, ComparesAsTheLanguageSays) {
  for (const char* yes : {
           R"(attributes["http.request.method"] == "GET")",
           R"(attributes["http.status_code"] >= 500 and attributes["http.status_code"] < 600)",
           R"(attributes["nothing"] == nil)",
           R"(attributes["http.status_code"] != "503")",
           R"(attributes["ratio"] == 0.5 and attributes["http.status_code"] > 502.5)",
           R"(attributes["debug"] == true)",
           R"(not (name == "x" or kind == SPAN_KIND_CLIENT))",
           R"(status.code == STATUS_CODE_ERROR)",
           R"(resource.attributes["deployment.environment"] == "prod")",
           R"(resource.attributes["service.name"] == "shop")",
           R"(span.kind.string == "Server" and IsRootSpan())",
           R"(end_time_unix_nano - start_time_unix_nano >= 250 * 1000000)",
           R"(IsMatch(name, "^GET /c[a-z]+$"))",
           R"(HasPrefix(name, "GET") and HasSuffix(name, "cart"))",
           R"(Int(attributes["port"]) == 8080 and Len(name) == 9)",
           R"(ToLowerCase(Substring(name, 0, 3)) == "get")",
           R"(attributes["network.peer.port"] == 4711)",
           R"((1 + 2) * 3 == 9)",
       })
    EXPECT_TRUE(Holds(yes)) << yes;
  for (const char* no : {
           R"(attributes["nothing"] < 5)",
           R"(attributes["http.status_code"] == "503")",
           R"(HasPrefix(attributes["http.status_code"], "5"))",
           R"(attributes["http.status_code"] / 0 == 1)",
           R"(name)",
       })
    EXPECT_FALSE(Holds(no)) << no;
}

TEST_F(TailOttl, LooksAtEventsToo) {
  EXPECT_TRUE(
      Holds(R"(name == "exception" and attributes["exception.type"] == "Timeout")", "spanevent"));
  EXPECT_TRUE(Holds(R"(attributes["n"] == 3 and span.name == "GET /cart")", "spanevent"));
  EXPECT_FALSE(Holds(R"(name == "retry")", "spanevent"));
}

TEST_F(TailOttl, RefusesWhatItDoesNotCarryByName) {
  EXPECT_THAT(WhyNot("ParseJSON(name) == 1"), HasSubstr("the function ParseJSON is not carried"));
  EXPECT_THAT(WhyNot("dropped_links_count == 1"),
              HasSubstr("the path dropped_links_count is not carried"));
  EXPECT_THAT(WhyNot("name =="), HasSubstr("a value is missing"));
  EXPECT_THAT(WhyNot("name == name name"), HasSubstr("not understood"));
  EXPECT_THAT(WhyNot("IsMatch(name, name)"), HasSubstr("a pattern in quotes"));
}

}  // namespace
}  // namespace weft
