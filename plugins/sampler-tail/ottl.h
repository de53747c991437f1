// OttlCondition: one condition of the OpenTelemetry Transformation Language, as ottl_condition has
// them: about a span, or about an event of a span.
//
//   condition := term ("or" term)*          term  := factor ("and" factor)*
//   factor    := "not" factor | "(" condition ")" | true | false | function | value op value
//   value     := sum of products of: literal, enum, path, function, "(" value ")"
//
// Paths and functions that are carried are in ottl_paths.cc and ottl_functions.cc; others are
// refused by name when the condition is read. Comparisons are OTTL's: nil equals nil only, values
// of different types are unequal and have no order, whole and other numbers compare. Patterns are
// RE2. Not thread safe: keys are looked up once per batch.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/api/plugin.h"

namespace weft::tail {

using OttlValue = std::variant<std::monostate, bool, int64_t, double, std::string_view>;

// An event, as JSON keeps it: {"timeUnixNano":"1","name":"x","attributes":{...}}.
struct OttlEvent {
  std::string_view name;
  int64_t time_ns = 0;
  std::vector<std::pair<std::string_view, OttlValue>> attributes;
};

// What a condition is asked about.
struct OttlScope {
  const weft_spans* spans = nullptr;
  uint32_t row = 0;
  uint64_t batch = 0;  // number of the batch
  const OttlEvent* event = nullptr;
  bool failed = false;  // out: a function could not do what it was asked
  std::deque<std::string> made;

  std::string_view Keep(std::string text) { return made.emplace_back(std::move(text)); }
  OttlValue Fail() {
    failed = true;
    return {};
  }
};

using OttlGetter = std::function<OttlValue(OttlScope&)>;

enum class OttlContext : uint8_t { kSpan, kSpanEvent };

// Throws sdk::ConfigError with the place of the mistake.
OttlGetter ParseOttl(std::string_view text, OttlContext context);

// Of the parser. Throw where there is no such path or function.
OttlGetter OttlPath(const std::string& path, const std::string* key, OttlContext context);
OttlGetter OttlFunction(const std::string& name, std::vector<OttlGetter> arguments,
                        const std::vector<std::string>& literals);

// -1, 0, 1; 2: not comparable.
int CompareOttl(const OttlValue& a, const OttlValue& b);
std::string OttlText(const OttlValue& value);

}  // namespace weft::tail
