#include "engine/cli/json_writer.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(JsonWriter, WritesNestedObjectsAndArrays) {
  JsonWriter json;
  json.BeginObject();
  json.Field("n", 1);
  json.BeginArray("list");
  json.Field("", "a");
  json.Field("", true);
  json.End();
  json.BeginObject("empty");
  json.End();
  json.Field("x", 0.5);
  json.End();
  EXPECT_EQ(json.text(),
            "{\n  \"n\": 1,\n  \"list\": [\n    \"a\",\n    true\n  ],\n  \"empty\": {},\n"
            "  \"x\": 0.5\n}\n");
}

TEST(JsonWriter, EscapesWhatJsonForbids) {
  JsonWriter json;
  json.BeginArray();
  json.Field("", "a\"b\\c\n\x01");
  json.Field("", "\xc3\xa4 \xff \xc0\xaf \xe2\x82");
  json.End();
  EXPECT_EQ(json.text(),
            "[\n  \"a\\\"b\\\\c\\u000a\\u0001\",\n"
            "  \"\xc3\xa4 \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\"\n]\n");
}

TEST(JsonWriter, NumbersThatJsonCannotSayAreNull) {
  JsonWriter json;
  json.BeginArray();
  json.Field("", 1.0 / 0.0);
  json.End();
  EXPECT_EQ(json.text(), "[\n  null\n]\n");
}

}  // namespace
}  // namespace weft::cli
