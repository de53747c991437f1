#include "engine/cli/policy_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/base/config.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"

namespace weft::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class PolicyImport : public ::testing::Test {
 protected:
  // As the command asks: the sampler itself says what it carries.
  std::string Check(const std::string& config) {
    plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
    auto tail = loader.Load(plugin::Kind::kSampler, "tail");
    EXPECT_TRUE(tail) << tail.error().message;
    auto made = plugin::PluginInstance::Create(*tail, config, {*log_, metrics_, clock_});
    return made ? "" : made.error().message;
  }
  Result<ImportedPolicies> Import(std::string_view yaml, std::string_view which = "") {
    return ImportPolicies(yaml, which, [this](const std::string& c) { return Check(c); });
  }
  // The sampler's configuration as our own loader reads the result.
  std::string ConfigOf(const ImportedPolicies& imported) {
    const auto config = ParseConfig(imported.yaml, "imported");
    EXPECT_TRUE(config) << config.error().message << "\n" << imported.yaml;
    if (!config || config->samplers.size() != 1) return "";
    EXPECT_EQ(config->samplers[0].name, "tail");
    EXPECT_EQ(Check(config->samplers[0].config_json), "");
    return config->samplers[0].config_json;
  }

  std::unique_ptr<Logger> log_ = NullLogger();
  Metrics metrics_;
  ManualClock clock_;
};

TEST_F(PolicyImport, CopiesEveryPolicyOfACollector) {
  const auto imported = Import(R"(
receivers: {otlp: {}}
processors:
  batch: {}
  tail_sampling:
    decision_wait: 10s
    num_traces: 100
    policies:
      - {name: a, type: always_sample}
      - {name: b, type: latency, latency: {threshold_ms: 5000, upper_threshold_ms: 10000}}
      - {name: c, type: numeric_attribute, numeric_attribute: {key: k, min_value: 50, max_value: 100}}
      - {name: d, type: probabilistic, probabilistic: {sampling_percentage: 10}}
      - {name: e, type: status_code, status_code: {status_codes: [ERROR, UNSET]}}
      - {name: f, type: string_attribute, string_attribute: {key: k, values: [v1, val*], enabled_regex_matching: true, cache_max_size: 10}}
      - {name: g, type: rate_limiting, rate_limiting: {spans_per_second: 35}}
      - {name: h, type: bytes_limiting, bytes_limiting: {bytes_per_second: 1024, burst_capacity: 2048}}
      - {name: i, type: span_count, span_count: {min_spans: 2, max_spans: 20}}
      - {name: j, type: trace_state, trace_state: {key: k, values: [v]}}
      - {name: k, type: boolean_attribute, boolean_attribute: {key: k, value: true}}
      - {name: l, type: trace_flags}
      - name: m
        type: ottl_condition
        ottl_condition:
          error_mode: ignore
          span: ['attributes["a"] == "b"', 'attributes["c"] != "d"']
          spanevent: ['name != "x"']
      - name: n
        type: and
        and: {and_sub_policy: [{name: n1, type: latency, latency: {threshold_ms: 1}}]}
      - name: o
        type: drop
        drop: {drop_sub_policy: [{name: o1, type: string_attribute, string_attribute: {key: url.path, values: [\/health], enabled_regex_matching: true}}]}
      - name: p
        type: not
        not: {not_sub_policy: {name: p1, type: always_sample}}
      - name: q
        type: composite
        composite:
          max_total_spans_per_second: 1000
          policy_order: [q1, q2]
          composite_sub_policy: [{name: q1, type: latency, latency: {threshold_ms: 1}}, {name: q2, type: always_sample}]
          rate_allocation: [{policy: q1, percent: 50}, {policy: q2, percent: 25}]
      - {name: r, type: my_extension, my_extension: {x: 1}}
)");
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->carried, 17);
  EXPECT_EQ(imported->refused, 1);
  EXPECT_THAT(imported->notes, Contains(HasSubstr("policy r is not carried over")));
  EXPECT_THAT(imported->notes, Contains(HasSubstr("decision_wait: ")));
  EXPECT_THAT(ConfigOf(*imported), HasSubstr("max_total_spans_per_second"));
}

TEST_F(PolicyImport, NamesAConditionWhoseFunctionIsNotCarried) {
  const auto imported = Import(R"(
policies:
  - {name: fine, type: always_sample}
  - {name: hashed, type: ottl_condition, ottl_condition: {span: ['SHA256(name) == "x"']}}
)");
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_THAT(imported->notes, Contains(HasSubstr("the function SHA256 is not carried")));
  EXPECT_THAT(imported->yaml, HasSubstr("SHA256"));  // in the comment
  EXPECT_THAT(ConfigOf(*imported), ::testing::Not(HasSubstr("SHA256")));
}

TEST_F(PolicyImport, WantsANameWhereThereAreSeveral) {
  const std::string yaml = R"(
processors:
  tail_sampling/a: {policies: [{name: x, type: always_sample}]}
  tail_sampling/b: {policies: [{name: y, type: trace_flags}]}
)";
  EXPECT_THAT(Import(yaml).error().message, HasSubstr("tail_sampling/a, tail_sampling/b"));
  const auto imported = Import(yaml, "b");
  ASSERT_TRUE(imported);
  EXPECT_THAT(ConfigOf(*imported), HasSubstr("trace_flags"));
  EXPECT_EQ(Import("a: 1").error().code, Code::kNotFound);
  EXPECT_EQ(Import("a: [").error().code, Code::kInvalid);
}

TEST_F(PolicyImport, ReadsRulesOfRefinery) {
  const auto imported = Import(R"(
RulesVersion: 2
Samplers:
  __default__:
    DeterministicSampler: {SampleRate: 10}
  production:
    RulesBasedSampler:
      Rules:
        - Name: drop healthchecks
          Drop: true
          Scope: span
          Conditions:
            - {Field: root.http.route, Operator: starts-with, Value: /health}
            - {Field: http.status_code, Operator: =, Value: 200, Datatype: int}
        - Name: errors
          SampleRate: 1
          Conditions:
            - {Field: error, Operator: =, Value: true}
        - Name: big
          Conditions:
            - {Field: "?.NUM_DESCENDANTS", Operator: ">", Value: 100}
        - Name: odd
          SampleRate: 5
          Conditions:
            - {Field: meta.refinery.reason, Operator: exists}
        - Name: slow and somewhere else
          SampleRate: 2
          Conditions:
            - {Field: duration_ms, Operator: ">=", Value: 1000, Datatype: float}
            - {Fields: [region, zone], Operator: in, Value: [eu, us]}
        - Name: the rest
          Sampler:
            EMAThroughputSampler:
              GoalThroughputPerSec: 100
              FieldList: [http.route, http.status_code]
)",
                               "production");
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->carried, 5);
  EXPECT_THAT(imported->notes, Contains(HasSubstr("rule odd is not carried over")));
  EXPECT_THAT(imported->notes, Contains(HasSubstr("not http.route, http.status_code")));
  EXPECT_THAT(imported->notes, Contains(HasSubstr("--name __default__")));
  const std::string config = ConfigOf(*imported);
  EXPECT_THAT(config, HasSubstr(R"("keep":0)"));
  EXPECT_THAT(config, HasSubstr(R"("min_spans":102)"));
  EXPECT_THAT(config, HasSubstr(R"("keep":0.5)"));
  EXPECT_THAT(config, HasSubstr(R"("adaptive":{"total":100})"));
  const auto by_default =
      Import("Samplers: {__default__: {DeterministicSampler: {SampleRate: 10}}}");
  ASSERT_TRUE(by_default) << by_default.error().message;
  EXPECT_THAT(ConfigOf(*by_default), HasSubstr("0.1"));
}

}  // namespace
}  // namespace weft::cli
