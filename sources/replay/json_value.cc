#include "sources/replay/json_value.h"

#include <bit>
#include <charconv>

namespace weft::sources {

namespace dom = simdjson::dom;

bool IsObject(JsonElement value) { return value.is_object(); }

bool Has(JsonElement object, std::string_view key) {
  return object.is_object() && object[key].error() == simdjson::SUCCESS;
}

std::string_view Text(JsonElement object, std::string_view key) {
  std::string_view text;
  return object.is_object() && object[key].get(text) == simdjson::SUCCESS ? text
                                                                          : std::string_view{};
}

bool Number(JsonElement object, std::string_view key, uint64_t* out) {
  JsonElement value;
  if (!object.is_object() || object[key].get(value) != simdjson::SUCCESS) return false;
  if (value.get(*out) == simdjson::SUCCESS) return true;
  if (double number = 0; value.get(number) == simdjson::SUCCESS && number >= 0 && number < 1e18) {
    *out = static_cast<uint64_t>(number);
    return true;
  }
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) return false;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && rest == text.data() + text.size();
}

bool Micros(JsonElement object, std::string_view key, uint64_t* ns) {
  JsonElement value;
  if (!object.is_object() || object[key].get(value) != simdjson::SUCCESS) return false;
  // Not asked of whole numbers: a double has 53 bits, and today has 51 in microseconds.
  if (double number = 0; value.type() == dom::element_type::DOUBLE &&
                         value.get(number) == simdjson::SUCCESS && number >= 0 && number < 9e15) {
    *ns = static_cast<uint64_t>(number * 1000);
    return true;
  }
  if (!Number(object, key, ns) || *ns > INT64_MAX / 2000) return false;
  *ns *= 1000;
  return true;
}

otlp::Value ValueOf(JsonElement value, std::string* made) {
  switch (value.type()) {
    case dom::element_type::STRING: return {WEFT_ATTR_STRING, value.get_string().value_unsafe(), 0};
    case dom::element_type::INT64:
      return {WEFT_ATTR_INT, {}, std::bit_cast<uint64_t>(value.get_int64().value_unsafe())};
    case dom::element_type::UINT64:  // beyond int64
    case dom::element_type::DOUBLE:
      return {WEFT_ATTR_DOUBLE, {}, std::bit_cast<uint64_t>(value.get_double().value_unsafe())};
    case dom::element_type::BOOL:
      return {WEFT_ATTR_BOOL, {}, value.get_bool().value_unsafe() ? 1u : 0u};
    default: *made = simdjson::minify(value); return {WEFT_ATTR_STRING, *made, 0};
  }
}

}  // namespace weft::sources
