// Conditions of a Refinery rule as policies of ours.
//
// Scope trace (the default): each condition is met by some span, not all by the same one, so each
// becomes an ottl_condition of its own under `and`. Scope span: one condition for all of them.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "engine/cli/policy_import.h"

namespace weft::cli {
namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string EscapedPattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view(R"(\.+*?()|[]{}^$)").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string Literal(const YAML::Node& value, const std::string& datatype) {
  const std::string& text = value.Scalar();
  const bool quoted = value.Tag() == "!" || datatype == "string";
  double number = 0;
  if (!quoted && (text == "true" || text == "false")) return text;
  if (!quoted && YAML::convert<double>::decode(value, number)) return text;
  return Quoted(text);
}

// What of a span the field is, each form in which it may be there.
std::vector<std::string> Readings(const std::string& field) {
  if (field == "name") return {"name"};
  if (field == "duration_ms") return {"(end_time_unix_nano - start_time_unix_nano) / 1000000.0"};
  if (field == "status_code") return {"status.code"};
  if (field == "status_message") return {"status.message"};
  if (field == "trace.trace_id") return {"trace_id.string"};
  if (field == "trace.span_id") return {"span_id.string"};
  if (field == "library.name") return {"scope.name"};
  return {fmt::format("attributes[{}]", Quoted(field)),
          fmt::format("resource.attributes[{}]", Quoted(field))};
}

std::string Converted(const std::string& reading, const std::string& datatype) {
  if (datatype == "int") return fmt::format("Int({})", reading);
  if (datatype == "float") return fmt::format("Double({})", reading);
  if (datatype == "string") return fmt::format("String({})", reading);
  if (datatype == "bool") return fmt::format("String({})", reading);
  return reading;
}

// One reading, compared. "" where the operator is unknown.
std::string Compared(const std::string& raw, const std::string& op, const YAML::Node& value,
                     const std::string& datatype) {
  const std::string r = Converted(raw, datatype);
  const auto literal = [&](const YAML::Node& v) {
    return datatype == "bool" ? Quoted(v.Scalar()) : Literal(v, datatype);
  };
  const auto any_of = [&](const YAML::Node& list) {
    std::string out;
    for (const YAML::Node& item : list)
      out += fmt::format("{}{} == {}", out.empty() ? "" : " or ", r, literal(item));
    return out;
  };
  if (op == "=" || op == ">" || op == ">=" || op == "<" || op == "<=")
    return fmt::format("{} {} {}", r, op == "=" ? "==" : op, literal(value));
  if (op == "!=") return fmt::format("({} != nil and {} != {})", raw, r, literal(value));
  if (op == "exists") return raw + " != nil";
  if (op == "contains")
    return fmt::format("IsMatch({}, {})", raw, Quoted(EscapedPattern(value.Scalar())));
  if (op == "does-not-contain")
    return fmt::format("({} != nil and not IsMatch({}, {}))", raw, raw,
                       Quoted(EscapedPattern(value.Scalar())));
  if (op == "starts-with")
    return fmt::format("IsMatch({}, {})", raw, Quoted("^" + EscapedPattern(value.Scalar())));
  if (op == "matches") return fmt::format("IsMatch({}, {})", raw, Quoted(value.Scalar()));
  if (op == "in" && value.IsSequence()) return "(" + any_of(value) + ")";
  if (op == "not-in" && value.IsSequence())
    return fmt::format("({} != nil and not ({}))", raw, any_of(value));
  return "";
}

Result<std::string> SpanCondition(const YAML::Node& condition) {
  const std::string op = condition["Operator"] ? condition["Operator"].as<std::string>() : "";
  const std::string datatype = condition["Datatype"] ? condition["Datatype"].as<std::string>() : "";
  const YAML::Node value = condition["Value"];
  if (op == "has-root-span")
    return std::string(value && value.Scalar() == "false" ? "" : "IsRootSpan()");
  const bool needs_value = op != "exists" && op != "not-exists";
  if (needs_value && (!value || value.IsNull() || value.IsMap()))
    return Fail(Code::kInvalid, fmt::format("operator {}: a value is missing", op));
  std::vector<std::string> fields;
  if (condition["Field"]) fields.push_back(condition["Field"].as<std::string>());
  if (condition["Fields"])
    for (const YAML::Node& field : condition["Fields"]) fields.push_back(field.as<std::string>());
  if (fields.empty()) return Fail(Code::kInvalid, "a condition without Field");
  std::string out;
  for (std::string field : fields) {
    std::string root;
    if (field.starts_with("root.")) {
      field.erase(0, 5);
      root = "IsRootSpan() and ";
    }
    if (field == "error" && op == "=" && value.Scalar() == "true") {
      out += fmt::format("{}({}status.code == STATUS_CODE_ERROR)", out.empty() ? "" : " or ", root);
      continue;
    }
    if (field.starts_with("?.") || field.starts_with("meta."))
      return Fail(Code::kInvalid, fmt::format("the field {} is Refinery's own", field));
    std::string any;
    for (const std::string& reading : Readings(field)) {
      const bool absent = op == "not-exists";
      const std::string one = absent ? reading + " == nil" : Compared(reading, op, value, datatype);
      if (one.empty()) return Fail(Code::kInvalid, fmt::format("operator {} is unknown", op));
      any += fmt::format("{}{}", any.empty() ? "" : absent ? " and " : " or ", one);
    }
    out += fmt::format("{}({}({}))", out.empty() ? "" : " or ", root, any);
  }
  return out;
}

YAML::Node Ottl(const std::string& condition) {
  YAML::Node out;
  out["type"] = "ottl_condition";
  out["ottl_condition"]["span"].push_back(condition);
  return out;
}

// Spans besides the root: one less than the trace has.
Result<YAML::Node> Descendants(const YAML::Node& condition) {
  const auto op = condition["Operator"].as<std::string>();
  const auto n = condition["Value"].as<int64_t>();
  YAML::Node out;
  out["type"] = "span_count";
  YAML::Node count = out["span_count"];
  if (op == ">=" || op == ">" || op == "=") count["min_spans"] = n + (op == ">" ? 2 : 1);
  if (op == "<=" || op == "<" || op == "=") count["max_spans"] = n + (op == "<" ? 0 : 1);
  if (count.size() == 0)
    return Fail(Code::kInvalid, fmt::format("?.NUM_DESCENDANTS with operator {}", op));
  return out;
}

YAML::Node Not(const YAML::Node& part) {
  YAML::Node out;
  out["type"] = "not";
  out["not"]["not_sub_policy"] = part;
  return out;
}

}  // namespace

Result<YAML::Node> RefineryCondition(const YAML::Node& rule) {
  const YAML::Node conditions = rule["Conditions"];
  if (!conditions || !conditions.IsSequence() || conditions.size() == 0) return YAML::Node();
  const bool same_span = rule["Scope"] && rule["Scope"].as<std::string>() == "span";
  std::vector<YAML::Node> parts;
  std::string joined;
  for (const YAML::Node& condition : conditions) {
    if (condition["Field"] && condition["Field"].as<std::string>() == "?.NUM_DESCENDANTS") {
      auto count = Descendants(condition);
      if (!count) return std::unexpected(count.error());
      parts.push_back(*count);
      continue;
    }
    auto text = SpanCondition(condition);
    if (!text) return std::unexpected(text.error());
    if (text->empty()) {
      parts.push_back(Not(Ottl("IsRootSpan()")));  // has-root-span: false
    } else if (same_span) {
      joined += (joined.empty() ? "" : " and ") + ("(" + *text + ")");
    } else {
      parts.push_back(Ottl(*text));
    }
  }
  if (!joined.empty()) parts.push_back(Ottl(joined));
  if (parts.size() == 1) return parts.front();
  YAML::Node out;
  out["type"] = "and";
  for (const YAML::Node& part : parts) out["and"]["and_sub_policy"].push_back(part);
  return out;
}

}  // namespace weft::cli
