// The policies of tail_sampling one by one, against what the Collector answers.
#include <map>

#include <gmock/gmock.h>

#include "tests/unit/plugins/sampler_fixture.h"

namespace weft {
namespace {

using ::testing::HasSubstr;

class TailPolicies : public SamplerFixture {
 protected:
  // One policy of that type, its settings as JSON.
  void One(std::string_view type, std::string_view settings) {
    Load("tail", Config(type, settings));
  }
  static std::string Config(std::string_view type, std::string_view settings) {
    return R"({"policies":[{"name":"p","type":")" + std::string(type) + R"(",")" +
           std::string(type) + R"(":)" + std::string(settings) + "}]}";
  }
  bool Keeps() { return Ask().keep.at(0) != 0; }
  bool KeepsDuration(int64_t ms) {
    Root(ms * 1'000'000);
    return Keeps();
  }
};

TEST_F(TailPolicies, LatencyKeepsFromItsThresholdOn) {
  One("latency", R"({"threshold_ms":500})");
  EXPECT_FALSE(KeepsDuration(499));
  EXPECT_TRUE(KeepsDuration(500));
}

TEST_F(TailPolicies, LatencyWithAnUpperBoundExcludesTheLowerOne) {
  One("latency", R"({"threshold_ms":500,"upper_threshold_ms":900})");
  EXPECT_FALSE(KeepsDuration(500));
  EXPECT_TRUE(KeepsDuration(501));
  EXPECT_TRUE(KeepsDuration(900));
  EXPECT_FALSE(KeepsDuration(901));
}

TEST_F(TailPolicies, StatusCodeLooksAtEverySpan) {
  One("status_code", R"({"status_codes":["ERROR"]})");
  Root(1);
  Child();
  EXPECT_FALSE(Keeps());
  Root(1);
  Child(WEFT_STATUS_ERROR);
  EXPECT_TRUE(Keeps());
}

TEST_F(TailPolicies, SpanCountIsInclusiveAndZeroIsNoLimit) {
  One("span_count", R"({"min_spans":2,"max_spans":3})");
  Root(1);
  EXPECT_FALSE(Keeps());
  for (const bool kept : {true, true, false}) {
    Root(1);
    for (int i = 0; i < (kept ? 2 : 3); ++i) Child();
    EXPECT_EQ(Keeps(), kept);
  }
  One("span_count", R"({"min_spans":2})");
  Root(1);
  for (int i = 0; i < 50; ++i) Child();
  EXPECT_TRUE(Keeps());
}

TEST_F(TailPolicies, StringAttributeIsFoundOnSpansAndOnProcesses) {
  One("string_attribute", R"({"key":"tier","values":["gold"]})");
  Root(1);
  batch_.table.Attribute("tier", "silver");
  EXPECT_FALSE(Keeps());
  Root(1);
  batch_.table.Attribute("tier", "gold");
  EXPECT_TRUE(Keeps());
  Root(1);
  batch_.table.ProcessAttribute("tier", "gold");
  EXPECT_TRUE(Keeps());
  One("string_attribute", R"({"key":"service.name","values":["pay"]})");
  Root(1, WEFT_STATUS_UNSET, "pay");
  EXPECT_TRUE(Keeps());
}

TEST_F(TailPolicies, StringAttributeMatchesPatternsAnywhereInTheValue) {
  One("string_attribute",
      R"({"key":"url.path","values":["/health$","^/metrics"],"enabled_regex_matching":true})");
  for (const auto& [path, kept] :
       {std::pair{"/a/health", true}, {"/metrics/x", true}, {"/health/x", false}, {"", false}}) {
    Root(1);
    batch_.table.Attribute("url.path", path);
    EXPECT_EQ(Keeps(), kept) << path;
  }
}

// One pattern that is plain text is compared; a second one that matches nothing has it compiled.
TEST_F(TailPolicies, PlainTextAsAPatternIsWhatTheExpressionIs) {
  for (const std::string pattern :
       {"", "^", "$", "^$", "a", "^a", "a$", "^a$", "/a", "^/a/b$", "a b"})
    for (const char* path : {"", "a", "aa", "ba", "ab", "/a", "/a/b", "/a/bc", "x/a/b", "xa by"}) {
      const auto keeps = [&](const std::string& values) {
        One("string_attribute",
            R"({"key":"p","values":[)" + values + R"(],"enabled_regex_matching":true})");
        Root(1);
        batch_.table.Attribute("p", path);
        return Keeps();
      };
      const std::string quoted = "\"" + pattern + "\"";
      EXPECT_EQ(keeps(quoted), keeps(quoted + ",\"never^\"")) << pattern << " in " << path;
    }
}

TEST_F(TailPolicies, NumericAttributeHasBoundsOfWhichZeroIsNone) {
  One("numeric_attribute", R"({"key":"http.status_code","min_value":400,"max_value":499})");
  for (const auto& [code, kept] : {std::pair{399, false}, {400, true}, {499, true}, {500, false}}) {
    Root(1);
    batch_.table.Attribute("http.status_code", int64_t{code});
    EXPECT_EQ(Keeps(), kept) << code;
  }
  One("numeric_attribute", R"({"key":"n","min_value":10})");
  Root(1);
  batch_.table.Attribute("n", int64_t{1'000'000});
  EXPECT_TRUE(Keeps());
}

TEST_F(TailPolicies, BooleanAttributeComparesTheValue) {
  One("boolean_attribute", R"({"key":"debug","value":true})");
  for (const bool value : {true, false}) {
    Root(1);
    batch_.table.Attribute("debug", value);
    EXPECT_EQ(Keeps(), value);
  }
}

TEST_F(TailPolicies, TraceStateMatchesAMember) {
  One("trace_state", R"({"key":"vendor","values":["a","b"]})");
  for (const auto& [state, kept] :
       {std::pair{"x=1, vendor=b", true}, {"vendor=c", false}, {"vendors=a", false}}) {
    Root(1);
    batch_.table.Attribute("w3c.tracestate", state);
    EXPECT_EQ(Keeps(), kept) << state;
  }
}

TEST_F(TailPolicies, TraceFlagsWantsTheSampledFlagOnAnySpan) {
  Load("tail", R"({"policies":[{"name":"p","type":"trace_flags"}]})");
  Root(1);
  EXPECT_FALSE(Keeps());
  Root(1);
  batch_.flags.back() |= WEFT_FLAG_SAMPLED;
  EXPECT_TRUE(Keeps());
}

TEST_F(TailPolicies, AttributesThatTheColumnsHoldHaveTheirExportedNames) {
  One("numeric_attribute", R"({"key":"network.peer.port","min_value":8000})");
  const uint32_t row = Root(1);
  EXPECT_FALSE(Keeps());
  Root(1);
  batch_.table.remote_port[row] = 8080;
  EXPECT_TRUE(Keeps());
}

// An inverted match that says no outvotes everybody; one that says yes needs that nobody says no.
TEST_F(TailPolicies, InvertedMatchesVoteAsInTheCollector) {
  const auto inverted = R"({"name":"i","type":"string_attribute",
    "string_attribute":{"key":"team","values":["a"],"invert_match":true}})";
  Load("tail",
       R"({"policies":[)" + std::string(inverted) + R"(,{"name":"all","type":"always_sample"}]})");
  Root(1);
  batch_.table.Attribute("team", "a");
  EXPECT_FALSE(Keeps());
  Root(1);
  batch_.table.Attribute("team", "b");
  EXPECT_EQ(KeptBy(), "tail/all");
  Load("tail", R"({"policies":[)" + std::string(inverted) +
                   R"(,{"name":"slow","type":"latency","latency":{"threshold_ms":5}}]})");
  Root(1);
  EXPECT_FALSE(Keeps());
}

TEST_F(TailPolicies, DropOutvotesEverything) {
  Load("tail", R"({"policies":[{"name":"all","type":"always_sample"},
    {"name":"health","type":"drop","drop":{"drop_sub_policy":[{"name":"h","type":"string_attribute",
      "string_attribute":{"key":"url.path","values":["/health"]}}]}}]})");
  Root(1);
  batch_.table.Attribute("url.path", "/health");
  const Answers dropped = Ask();
  EXPECT_FALSE(dropped.keep[0]);
  EXPECT_EQ(dropped.rule[0], "tail/health");
  Root(1);
  EXPECT_EQ(KeptBy(), "tail/all");
}

TEST_F(TailPolicies, AndWantsAllItsPartsAndNotTurnsItsPartAround) {
  One("and", R"({"and_sub_policy":[
    {"name":"slow","type":"latency","latency":{"threshold_ms":5}},
    {"name":"fine","type":"not","not":{"not_sub_policy":{"name":"e","type":"status_code",
      "status_code":{"status_codes":["ERROR"]}}}}]})");
  Root(9'000'000);
  EXPECT_TRUE(Keeps());
  Root(9'000'000, WEFT_STATUS_ERROR);
  EXPECT_FALSE(Keeps());
  Root(1);
  EXPECT_FALSE(Keeps());
}

TEST_F(TailPolicies, RateLimitingAdmitsABurstAndThenItsRate) {
  One("rate_limiting", R"({"spans_per_second":10})");
  for (int i = 0; i < 100; ++i) Root(1);
  EXPECT_EQ(Ask(1'000'000'000).kept(), 20u);
  for (int i = 0; i < 100; ++i) Root(1);
  EXPECT_EQ(Ask(1'500'000'000).kept(), 5u);
  Root(1);
  for (int i = 0; i < 20; ++i) Child();
  EXPECT_EQ(Ask(9'500'000'000).kept(), 0u);  // larger than the burst
}

TEST_F(TailPolicies, PartitionsShareALimit) {
  One("rate_limiting", R"({"spans_per_second":100})");
  uint32_t kept = 0;
  for (int second = 1; second <= 20; ++second) {
    for (int i = 0; i < 200; ++i) Root(1);
    kept += Ask(second * 1'000'000'000LL, 4).kept();
  }
  EXPECT_NEAR(kept, 19 * 25 + 50, 1);
}

TEST_F(TailPolicies, BytesLimitingCountsBytes) {
  One("bytes_limiting", R"({"bytes_per_second":1000})");
  for (int i = 0; i < 100; ++i) {
    Root(1);
    batch_.table.Attribute("text", std::string(900, 'x').c_str());
  }
  EXPECT_EQ(Ask().kept(), 1u);
}

TEST_F(TailPolicies, CompositeSpendsEachPartsShareOfEachSecond) {
  One("composite", R"({"max_total_spans_per_second":100,"policy_order":["errors","rest"],
    "composite_sub_policy":[
      {"name":"rest","type":"always_sample"},
      {"name":"errors","type":"status_code","status_code":{"status_codes":["ERROR"]}}],
    "rate_allocation":[{"policy":"errors","percent":50},{"policy":"rest","percent":25}]})");
  for (int i = 0; i < 200; ++i) Root(1, i % 2 == 0 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
  const Answers a = Ask();
  std::map<std::string, uint32_t> kept;
  for (size_t i = 0; i < a.keep.size(); ++i) kept[a.rule[i]] += a.keep[i];
  EXPECT_EQ(kept["tail/p/errors"], 50u);
  EXPECT_EQ(kept["tail/p/rest"], 25u);
  EXPECT_EQ(kept["tail/p/rest/over-limit"], 0u);
}

TEST_F(TailPolicies, ProbabilisticHashesAsTheCollectorDoes) {
  One("probabilistic", R"({"sampling_percentage":30})");
  for (int i = 0; i < 20'000; ++i) Root(1);
  const Answers a = Ask();
  EXPECT_NEAR(a.kept(), 6'000, Tolerance(20'000, 0.3));
  const size_t first = std::ranges::find(a.keep, 1) - a.keep.begin();
  EXPECT_NEAR(a.weight.at(first), 1 / 0.3, 1e-9);
}

// Trace ids 0102..10, 0203..11 and so on, with the answers of hash/fnv's New64a.
TEST_F(TailPolicies, ProbabilisticKeepsTheTracesThatTheCollectorKeeps) {
  One("probabilistic", R"({"hash_salt":"other","sampling_percentage":30})");
  for (uint64_t first = 1; first <= 12; ++first) {
    uint64_t hi = 0, lo = 0;
    for (uint64_t i = 0; i < 8; ++i) {
      hi = hi << 8 | (first + i);
      lo = lo << 8 | (first + 8 + i);
    }
    batch_.BeginTrace(hi, lo);
    batch_.AddSpan(first, 0, WEFT_KIND_SERVER, "shop", "GET /", 1, 2);
  }
  EXPECT_EQ(Ask().keep, (std::vector<uint8_t>{0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0}));
}

TEST_F(TailPolicies, RefusesWhatIsWrongWithItsPath) {
  const auto refusal = [&](std::string_view policies) {
    return Refusal("tail", R"({"policies":)" + std::string(policies) + "}");
  };
  EXPECT_THAT(refusal(R"([{"name":"x","type":"latency","latency":{"treshold_ms":5}}])"),
              HasSubstr("policies[0] (x): latency: treshold_ms: unknown; known are "
                        "threshold_ms, upper_threshold_ms"));
  EXPECT_THAT(refusal(R"([{"name":"x","type":"my_extension","my_extension":{}}])"),
              HasSubstr("my_extension is unknown"));
  EXPECT_THAT(refusal(R"([{"name":"x","type":"always_sample"},{"name":"x","type":"trace_flags"}])"),
              HasSubstr("another policy of that name"));
  EXPECT_THAT(refusal(R"([{"name":"x","type":"string_attribute","string_attribute":
                        {"key":"k","values":["("],"enabled_regex_matching":true}}])"),
              HasSubstr("no regular expression"));
  EXPECT_THAT(
      refusal(R"([{"name":"x","type":"status_code","status_code":{"status_codes":["BAD"]}}])"),
      HasSubstr("none of OK, ERROR, UNSET"));
}

}  // namespace
}  // namespace weft
