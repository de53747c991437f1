#include "sinks/otlp/event_text.h"

#include <bit>
#include <charconv>
#include <cstdint>

#include <simdjson.h>

#include "sinks/otlp/proto_text.h"

namespace weft::sinks {
namespace {

using namespace proto;  // of this folder
namespace dom = simdjson::dom;

constexpr int kMaxDepth = 32;

std::string_view Text(dom::element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

template <typename T>
bool Digits(std::string_view digits, int base, T* out) {
  const auto [rest, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), *out, base);
  return error == std::errc() && rest == digits.data() + digits.size();
}

std::string KeyValue(std::string_view key, dom::element value, int depth);

// An AnyValue.
std::string AnyValue(dom::element value, int depth) {
  std::string out;
  if (depth > kMaxDepth) return out;
  switch (value.type()) {
    case dom::element_type::STRING: AppendBytes(out, 1, value.get_string().value_unsafe()); break;
    case dom::element_type::BOOL: AppendNumber(out, 2, value.get_bool().value_unsafe()); break;
    case dom::element_type::INT64:
      AppendNumber(out, 3, static_cast<uint64_t>(value.get_int64().value_unsafe()));
      break;
    case dom::element_type::UINT64: AppendNumber(out, 3, value.get_uint64().value_unsafe()); break;
    case dom::element_type::DOUBLE:
      AppendFixed64(out, 4, std::bit_cast<uint64_t>(value.get_double().value_unsafe()));
      break;
    case dom::element_type::ARRAY: {
      std::string list;
      const dom::array values = value.get_array().value_unsafe();
      for (const dom::element one : values) AppendBytes(list, 1, AnyValue(one, depth + 1));
      AppendBytes(out, 5, list);
      break;
    }
    case dom::element_type::OBJECT: {
      std::string map;
      const dom::object members = value.get_object().value_unsafe();
      for (const auto& [key, one] : members) AppendBytes(map, 1, KeyValue(key, one, depth + 1));
      AppendBytes(out, 6, map);
      break;
    }
    case dom::element_type::NULL_VALUE: break;
  }
  return out;
}

std::string KeyValue(std::string_view key, dom::element value, int depth) {
  std::string out;
  AppendBytes(out, 1, key);
  AppendBytes(out, 2, AnyValue(value, depth));
  return out;
}

void AppendAttributes(std::string& out, unsigned field, dom::element object) {
  dom::object attributes;
  if (object["attributes"].get(attributes) != simdjson::SUCCESS) return;
  for (const auto& [key, value] : attributes) AppendBytes(out, field, KeyValue(key, value, 0));
}

bool AppendEvent(std::string& out, dom::element event) {
  uint64_t time_ns = 0;
  if (!event.is_object() || !Digits(Text(event, "timeUnixNano"), 10, &time_ns)) return false;
  std::string body;
  AppendFixed64(body, 1, time_ns);
  AppendBytes(body, 2, Text(event, "name"));
  AppendAttributes(body, 3, event);
  AppendBytes(out, 11, body);
  return true;
}

bool AppendLink(std::string& out, dom::element link) {
  const std::string_view trace = Text(link, "traceId"), span = Text(link, "spanId");
  uint64_t hi = 0, lo = 0, id = 0;
  if (trace.size() != 32 || span.size() != 16 || !Digits(trace.substr(0, 16), 16, &hi) ||
      !Digits(trace.substr(16), 16, &lo) || !Digits(span, 16, &id))
    return false;
  std::string body;
  AppendHeader(body, 1, 16);
  AppendBigEndian(body, hi);
  AppendBigEndian(body, lo);
  AppendHeader(body, 2, 8);
  AppendBigEndian(body, id);
  if (const std::string_view state = Text(link, "traceState"); !state.empty())
    AppendBytes(body, 3, state);
  AppendAttributes(body, 4, link);
  AppendBytes(out, 13, body);
  return true;
}

bool AppendAll(std::string& out, std::string_view json,
               bool (*append)(std::string&, dom::element)) {
  dom::parser parser;
  dom::array list;
  if (parser.parse(json.data(), json.size()).get(list) != simdjson::SUCCESS) return false;
  const size_t before = out.size();
  for (const dom::element one : list) {
    if (append(out, one)) continue;
    out.resize(before);
    return false;
  }
  return true;
}

}  // namespace

bool AppendEvents(std::string& out, std::string_view json) {
  return AppendAll(out, json, AppendEvent);
}

bool AppendLinks(std::string& out, std::string_view json) {
  return AppendAll(out, json, AppendLink);
}

}  // namespace weft::sinks
