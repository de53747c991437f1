// Reading simdjson's elements where any member may be absent or of another type: then it is
// nothing. For the JSON readers of this folder. Free functions; one thread per parser.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <simdjson.h>

#include "sources/otlp/otlp_rows.h"

namespace weft::sources {

using JsonElement = simdjson::dom::element;

// simdjson refuses to look for members of what is no object.
bool IsObject(JsonElement value);
bool Has(JsonElement object, std::string_view key);
std::string_view Text(JsonElement object, std::string_view key);
// A whole number, or text with one.
bool Number(JsonElement object, std::string_view key, uint64_t* out);
// Microseconds as ns; with a fraction too.
bool Micros(JsonElement object, std::string_view key, uint64_t* ns);

// Text, numbers and bools as they are; null, lists and objects as JSON, in *made.
otlp::Value ValueOf(JsonElement value, std::string* made);

template <typename Visit>
void ForEach(JsonElement object, std::string_view key, Visit visit) {
  simdjson::dom::array list;
  if (!IsObject(object) || object[key].get(list) != simdjson::SUCCESS) return;
  for (const JsonElement one : list) visit(one);
}

template <typename Visit>  // (key, value)
void ForEachMember(JsonElement object, std::string_view key, Visit visit) {
  simdjson::dom::object members;
  if (!IsObject(object) || object[key].get(members) != simdjson::SUCCESS) return;
  for (const auto& [name, value] : members) visit(name, value);
}

}  // namespace weft::sources
