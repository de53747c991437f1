#include "engine/api/plugin_config.h"

#include <gtest/gtest.h>

namespace weft::sdk {
namespace {

TEST(PluginConfig, ReadsTopLevelKeysOnly) {
  const PluginConfig config(R"({"a":{"b":1},"b":2.5,"c":[1,{"d":3}],"d":true,"e":"x"})");
  EXPECT_EQ(config.Number("b", 0), 2.5);
  EXPECT_TRUE(config.Flag("d", false));
  EXPECT_EQ(config.Text("e", ""), "x");
  EXPECT_EQ(config.Raw("c"), R"([1,{"d":3}])");
  EXPECT_EQ(config.Raw("a"), R"({"b":1})");
}

TEST(PluginConfig, FallsBackWhereAKeyIsAbsentOrOfAnotherType) {
  const PluginConfig config(R"({"a":"text","b":null})");
  EXPECT_EQ(config.Number("a", 7), 7);
  EXPECT_EQ(config.Number("zzz", 8), 8);
  EXPECT_TRUE(config.Flag("b", true));
  EXPECT_EQ(config.Text("b", "none"), "none");
}

TEST(PluginConfig, ResolvesEscapesAndIgnoresBracketsInStrings) {
  const PluginConfig config(R"({"k\"":1,"s":"a\"},]\\\n\u0041","n":-3e2})");
  EXPECT_EQ(config.Text("s", ""), "a\"},]\\\nA");
  EXPECT_EQ(config.Number("n", 0), -300);
}

TEST(PluginConfig, TakesSpacesAndAnEmptyObject) {
  EXPECT_EQ(PluginConfig(" { \"a\" : 1 , \"b\" : \"q\" } ").Number("a", 0), 1);
  EXPECT_EQ(PluginConfig(" { \"a\" : 1 , \"b\" : \"q\" } ").Text("b", ""), "q");
  EXPECT_EQ(PluginConfig("{}").Number("a", 4), 4);
  EXPECT_EQ(PluginConfig("").Raw("a"), "");
}

}  // namespace
}  // namespace weft::sdk
