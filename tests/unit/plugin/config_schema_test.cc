#include "engine/plugin/config_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::plugin {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::string_view kSchema = R"({
  "type": "object",
  "required": ["mode"],
  "properties": {
    "mode": {"enum": ["fast", "slow"]},
    "ratio": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    "threads": {"type": "integer", "description": "how many"},
    "labels": {"type": "object", "additionalProperties": true, "properties": {}},
    "rules": {"type": "array", "items": {"type": "object", "required": ["name"],
              "properties": {"name": {"type": "string"}, "weight": {"type": "number", "default": 1}}}}
  }
})";

std::string Complaint(std::string_view config, std::string_view schema = kSchema) {
  const auto result = CompleteConfig(schema, config);
  return result ? "valid: " + *result : result.error().message;
}

TEST(ConfigSchema, FillsInDefaultsAtEveryDepth) {
  EXPECT_EQ(Complaint(R"({"mode": "fast", "rules": [{"name": "a"}]})"),
            R"(valid: {"mode":"fast","rules":[{"name":"a","weight":1}],"ratio":0.5})");
}

TEST(ConfigSchema, KeepsTextWithEscapes) {
  EXPECT_EQ(Complaint(R"({"mode":"fast","ratio":1,"labels":{"a":"q\"\\n"}})"),
            R"(valid: {"mode":"fast","ratio":1,"labels":{"a":"q\"\\n"}})");
}

TEST(ConfigSchema, NamesAnUnknownKeyAndTheNearestKnownOne) {
  EXPECT_THAT(Complaint(R"({"mode": "fast", "raito": 1})"),
              AllOf(HasSubstr("\"raito\""), HasSubstr("did you mean \"ratio\"?")));
}

TEST(ConfigSchema, ListsTheKnownKeysWhenNoneIsNear) {
  EXPECT_THAT(Complaint(R"({"mode": "fast", "xyzzy": 1})"),
              HasSubstr("known are mode, ratio, threads, labels, rules"));
}

TEST(ConfigSchema, NamesAMissingKey) {
  EXPECT_THAT(Complaint("{}"), HasSubstr("key \"mode\": required and missing"));
}

TEST(ConfigSchema, NamesWrongTypesByPath) {
  EXPECT_THAT(Complaint(R"({"mode": "fast", "rules": [{"name": "a"}, {"name": 7}]})"),
              HasSubstr("key \"rules[1].name\": string wanted, integer given (7)"));
  EXPECT_THAT(Complaint(R"({"mode": "fast", "threads": 1.5})"),
              HasSubstr("integer wanted, number given (1.5)"));
}

TEST(ConfigSchema, ChecksLimitsAndChoices) {
  EXPECT_THAT(Complaint(R"({"mode": "fast", "ratio": 1.5})"), HasSubstr("above the maximum of 1"));
  EXPECT_THAT(Complaint(R"({"mode": "fast", "ratio": -1})"), HasSubstr("below the minimum of 0"));
  EXPECT_THAT(Complaint(R"({"mode": "mad"})"), HasSubstr(R"("mad" is none of "fast", "slow")"));
}

TEST(ConfigSchema, RefusesAKeyGivenTwice) {
  EXPECT_THAT(Complaint(R"({"mode": "fast", "mode": "slow"})"), HasSubstr("given twice"));
}

TEST(ConfigSchema, RefusesWhatIsNoObject) {
  EXPECT_THAT(Complaint("[1]"), HasSubstr("an object is wanted"));
  EXPECT_THAT(Complaint("{"), HasSubstr("not JSON"));
}

TEST(ConfigSchema, AllowsNoKeysWithoutASchema) {
  EXPECT_EQ(Complaint("", ""), "valid: {}");
  EXPECT_THAT(Complaint(R"({"a": 1})", ""), HasSubstr("there are no settings here"));
}

TEST(ConfigSchema, RefusesASchemaOutsideTheSubset) {
  EXPECT_THAT(Complaint("{}", R"({"type": "object", "oneOf": []})"), HasSubstr("\"oneOf\""));
  EXPECT_THAT(Complaint("{}", R"({"type": "thing"})"), HasSubstr("is none of object"));
  EXPECT_THAT(Complaint("{}", R"({"properties": {"a": {"minimum": "x"}}})"),
              HasSubstr("schema: key \"a\": minimum must be a number"));
}

}  // namespace
}  // namespace weft::plugin
