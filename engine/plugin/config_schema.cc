#include "engine/plugin/config_schema.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <simdjson.h>

#include "engine/base/nearest_word.h"

namespace weft::plugin {
namespace {

namespace dom = simdjson::dom;

constexpr std::array kTypes = {"object", "array", "string", "number", "integer", "boolean", "null"};
constexpr std::array kKeywords = {
    "type",    "properties", "required", "additionalProperties", "enum",     "minimum", "maximum",
    "default", "items",      "title",    "description",          "examples", "$schema"};

std::string Text(dom::element e) { return simdjson::minify(e); }

std::string_view TypeOf(dom::element e) {
  switch (e.type()) {
    case dom::element_type::OBJECT: return "object";
    case dom::element_type::ARRAY: return "array";
    case dom::element_type::STRING: return "string";
    case dom::element_type::BOOL: return "boolean";
    case dom::element_type::NULL_VALUE: return "null";
    case dom::element_type::DOUBLE: return "number";
    default: return "integer";
  }
}

std::string Join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string Quoted(std::string_view path) {
  return path.empty() ? "the configuration" : fmt::format("key \"{}\"", path);
}

std::unexpected<Error> BadSchema(std::string_view path, std::string_view why) {
  return Fail(Code::kInvalid, fmt::format("schema: {}: {}", Quoted(path), why));
}

std::unexpected<Error> BadConfig(std::string_view path, std::string_view why) {
  return Fail(Code::kInvalid, fmt::format("config: {}: {}", Quoted(path), why));
}

// The schema itself, before any value is looked at.
Result<void> CheckSchema(dom::element schema, const std::string& path) {
  dom::object object;
  if (schema.get(object) != simdjson::SUCCESS) return BadSchema(path, "is not an object");
  for (const auto& [key, value] : object) {
    if (std::ranges::find(kKeywords, key) == kKeywords.end())
      return BadSchema(path, fmt::format("keyword \"{}\" is not in the supported subset ({})", key,
                                         fmt::join(kKeywords, ", ")));
    if (key == "type" &&
        (!value.is_string() ||
         std::ranges::find(kTypes, value.get_string().value_unsafe()) == kTypes.end()))
      return BadSchema(path,
                       fmt::format("type {} is none of {}", Text(value), fmt::join(kTypes, ", ")));
    if ((key == "required" || key == "enum") && !value.is_array())
      return BadSchema(path, fmt::format("{} must be an array", key));
    if ((key == "minimum" || key == "maximum") && !value.is_number())
      return BadSchema(path, fmt::format("{} must be a number", key));
    if (key == "additionalProperties" && !value.is_bool())
      return BadSchema(path, "additionalProperties must be true or false");
    if (key == "items") WEFT_TRY(CheckSchema(value, path + "[]"));
    if (key == "properties") {
      dom::object properties;
      if (value.get(properties) != simdjson::SUCCESS)
        return BadSchema(path, "properties must be an object");
      for (const auto& [name, sub] : properties) WEFT_TRY(CheckSchema(sub, Join(path, name)));
    }
  }
  return {};
}

Result<std::string> Complete(dom::object schema, dom::element value, const std::string& path);

Result<void> CheckType(dom::object schema, dom::element value, const std::string& path) {
  std::string_view type;
  if (schema["type"].get(type) != simdjson::SUCCESS) return {};
  const std::string_view have = TypeOf(value);
  if (have == type || (type == "number" && have == "integer")) return {};
  return BadConfig(path, fmt::format("{} wanted, {} given ({})", type, have, Text(value)));
}

Result<void> CheckLimits(dom::object schema, dom::element value, const std::string& path) {
  dom::array allowed;
  if (schema["enum"].get(allowed) == simdjson::SUCCESS) {
    const std::string text = Text(value);
    std::vector<std::string> texts;
    for (dom::element e : allowed) texts.push_back(Text(e));
    if (std::ranges::find(texts, text) == texts.end())
      return BadConfig(path, fmt::format("{} is none of {}", text, fmt::join(texts, ", ")));
  }
  double number = 0;
  if (!value.is_number() || value.get(number) != simdjson::SUCCESS) return {};
  double limit = 0;
  if (schema["minimum"].get(limit) == simdjson::SUCCESS && number < limit)
    return BadConfig(path, fmt::format("{} is below the minimum of {}", number, limit));
  if (schema["maximum"].get(limit) == simdjson::SUCCESS && number > limit)
    return BadConfig(path, fmt::format("{} is above the maximum of {}", number, limit));
  return {};
}

Result<void> CheckKeys(dom::object schema, dom::object value, const std::string& path) {
  std::vector<std::string_view> known, seen;
  dom::object properties;
  const bool has_properties = schema["properties"].get(properties) == simdjson::SUCCESS;
  if (has_properties)
    for (const auto& [name, unused] : properties) known.push_back(name);
  bool open = !has_properties;
  if (bool additional = false; schema["additionalProperties"].get(additional) == simdjson::SUCCESS)
    open = additional;
  for (const auto& [key, unused] : value) {
    if (std::ranges::find(seen, key) != seen.end())
      return BadConfig(Join(path, key), "given twice");
    seen.push_back(key);
    if (open || std::ranges::find(known, key) != known.end()) continue;
    const std::string_view near = NearestWord(key, known);
    if (!near.empty())
      return BadConfig(Join(path, key), fmt::format("unknown; did you mean \"{}\"?", near));
    return BadConfig(Join(path, key),
                     known.empty() ? std::string("unknown; there are no settings here")
                                   : fmt::format("unknown; known are {}", fmt::join(known, ", ")));
  }
  dom::array required;
  if (schema["required"].get(required) == simdjson::SUCCESS)
    for (dom::element name : required)
      if (std::string_view key;
          name.get(key) == simdjson::SUCCESS && std::ranges::find(seen, key) == seen.end())
        return BadConfig(Join(path, key), "required and missing");
  return {};
}

Result<std::string> CompleteObject(dom::object schema, dom::object value, const std::string& path) {
  WEFT_TRY(CheckKeys(schema, value, path));
  std::string out = "{";
  const auto add = [&out](std::string_view key, std::string_view text) {
    if (out.size() > 1) out += ',';
    out += fmt::format("\"{}\":{}", key, text);
  };
  dom::object properties;
  const bool has_properties = schema["properties"].get(properties) == simdjson::SUCCESS;
  for (const auto& [key, child] : value) {
    dom::object sub;
    if (!has_properties || properties.at_key(key).get(sub) != simdjson::SUCCESS) {
      add(key, Text(child));
      continue;
    }
    auto text = Complete(sub, child, Join(path, key));
    if (!text) return text;
    add(key, *text);
  }
  if (has_properties)
    for (const auto& [key, sub] : properties)
      if (dom::element fallback; value.at_key(key).error() == simdjson::NO_SUCH_FIELD &&
                                 sub["default"].get(fallback) == simdjson::SUCCESS)
        add(key, Text(fallback));
  return out + "}";
}

Result<std::string> CompleteArray(dom::object schema, dom::array value, const std::string& path) {
  dom::object items;
  const bool has_items = schema["items"].get(items) == simdjson::SUCCESS;
  std::string out = "[";
  size_t index = 0;
  for (dom::element child : value) {
    auto text = has_items ? Complete(items, child, fmt::format("{}[{}]", path, index))
                          : Result<std::string>(Text(child));
    if (!text) return text;
    if (index++ > 0) out += ',';
    out += *text;
  }
  return out + "]";
}

Result<std::string> Complete(dom::object schema, dom::element value, const std::string& path) {
  WEFT_TRY(CheckType(schema, value, path));
  WEFT_TRY(CheckLimits(schema, value, path));
  if (dom::object object; value.get(object) == simdjson::SUCCESS)
    return CompleteObject(schema, object, path);
  if (dom::array array; value.get(array) == simdjson::SUCCESS)
    return CompleteArray(schema, array, path);
  return Text(value);
}

}  // namespace

Result<std::string> CompleteConfig(std::string_view schema_text, std::string_view config_json) {
  if (schema_text.empty()) schema_text = R"({"type":"object","additionalProperties":false})";
  if (config_json.empty()) config_json = "{}";
  dom::parser schema_parser, config_parser;
  dom::element schema, config;
  if (auto error = schema_parser.parse(schema_text.data(), schema_text.size()).get(schema))
    return Fail(Code::kInvalid,
                fmt::format("schema: not JSON: {}", simdjson::error_message(error)));
  WEFT_TRY(CheckSchema(schema, ""));
  if (auto error = config_parser.parse(config_json.data(), config_json.size()).get(config))
    return Fail(Code::kInvalid,
                fmt::format("config: not JSON: {}", simdjson::error_message(error)));
  if (!config.is_object()) return Fail(Code::kInvalid, "config: an object is wanted");
  return Complete(schema.get_object().value_unsafe(), config, "");
}

}  // namespace weft::plugin
