#include "plugins/sampler-tail/policy_config.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_set>

#include <re2/re2.h>
#include <re2/set.h>

#include "plugins/sampler-tail/policies.h"

namespace weft::tail {
namespace {

using sampling::Settings;

constexpr std::string_view kTypes =
    "always_sample, and, boolean_attribute, bytes_limiting, composite, drop, latency, not, "
    "numeric_attribute, ottl_condition, probabilistic, rate_limiting, span_count, status_code, "
    "string_attribute, trace_flags, trace_state";

using Matcher = std::function<bool(std::string_view)>;

// Looked up without a copy.
struct TextHash : std::hash<std::string_view> {
  using is_transparent = void;
};

Matcher OneOf(const std::vector<std::string>& values) {
  auto set = std::make_shared<std::unordered_set<std::string, TextHash, std::equal_to<>>>();
  for (const std::string& value : values)
    if (!value.empty()) set->insert(value);
  return [set](std::string_view text) { return set->contains(text); };
}

// What "^/admin", "health$" and "probe" look for; none: it takes more than comparing.
std::optional<Matcher> LiteralPattern(std::string_view pattern) {
  const bool at_begin = pattern.starts_with('^');
  if (at_begin) pattern.remove_prefix(1);
  const bool at_end = pattern.ends_with('$');
  if (at_end) pattern.remove_suffix(1);
  for (const char c : pattern)
    if (c < ' ' || c > '~' || std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos)
      return std::nullopt;
  return [literal = std::string(pattern), at_begin, at_end](std::string_view text) {
    if (at_begin && at_end) return text == literal;
    if (at_begin) return text.starts_with(literal);
    return at_end ? text.ends_with(literal) : text.find(literal) != text.npos;
  };
}

// Go's regular expressions, unanchored; no LRU is needed where each value is looked at once.
Matcher AnyPattern(const Settings& s, const std::vector<std::string>& patterns) {
  // One alone is seldom more than looking for its literal beginning.
  if (patterns.size() == 1)
    if (auto literal = LiteralPattern(patterns[0])) return *literal;
  if (patterns.size() == 1)
    if (auto one = std::make_shared<re2::RE2>(patterns[0], re2::RE2::Quiet); one->ok())
      return [one](std::string_view text) {
        return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *one);
      };
  auto set = std::make_shared<re2::RE2::Set>(re2::RE2::Quiet, re2::RE2::UNANCHORED);
  for (const std::string& pattern : patterns) {
    std::string why;
    if (set->Add(pattern, &why) < 0)
      s.Refuse("values", "\"" + pattern + "\" is no regular expression (RE2): " + why);
  }
  if (!set->Compile()) s.Refuse("values", "the expressions are too large");
  if (patterns.empty()) return [](std::string_view) { return false; };
  return [set](std::string_view text) { return set->Match({text.data(), text.size()}, nullptr); };
}

uint64_t PercentThreshold(double percent) {
  if (percent >= 100) return UINT64_MAX;
  return static_cast<uint64_t>(
      std::floor(static_cast<long double>(UINT64_MAX) * static_cast<long double>(percent / 100)));
}

}  // namespace

PolicySet PolicyReader::ReadSet(std::vector<Settings> policies, bool first_match) {
  std::vector<NamedPolicy> out;
  for (Settings& policy : policies) {
    const std::string name = policy.Text("name");
    policy.Name(name);
    if (std::ranges::any_of(out, [&](const NamedPolicy& p) { return p.name == name; }))
      policy.Refuse("name", "there is another policy of that name");
    const std::string type = policy.Text("type");
    out.push_back({name, Read(policy, type, Place::kTop), type == "drop"});
  }
  if (PolicySet::Cells(salts_) > PolicySet::kMaxCells)
    throw sdk::ConfigError(
        "policies: too many different hash_salt with too many percentages to give traces a weight");
  return PolicySet(std::move(out), std::move(salts_), limiters_, first_match);
}

PolicyPtr PolicyReader::ReadCondition(Settings policy) {
  condition_ = true;
  policy.Text("name", "");
  return Read(policy, policy.Text("type"), Place::kInside);
}

PolicyPtr PolicyReader::Read(Settings& policy, const std::string& type, Place place) {
  PolicyPtr made;
  if (type == "and") {
    Settings s = policy.Object("and");
    made = And(ReadParts(s, "and_sub_policy"));
    s.Finish();
  } else if (type == "not") {
    Settings s = policy.Object("not");
    Settings part = s.Object("not_sub_policy");
    part.Text("name", "");
    made = Not(Read(part, part.Text("type"), Place::kInside));
    s.Finish();
  } else if (type == "drop" && place == Place::kTop) {
    Settings s = policy.Object("drop");
    made = Drop(ReadParts(s, "drop_sub_policy"));
    s.Finish();
  } else if (type == "composite" && place == Place::kTop) {
    Settings s = policy.Object("composite");
    made = ReadComposite(s);
    s.Finish();
  } else if (type == "drop" || type == "composite") {
    policy.Refuse("type", type + " belongs to the top level");
  } else {
    made = ReadSimple(policy, type);
  }
  policy.Finish();
  return made;
}

PolicyPtr PolicyReader::ReadSimple(Settings& policy, const std::string& type) {
  if (type == "always_sample" || type == "trace_flags") {
    if (policy.Has(type)) policy.Object(type).Finish();
    return type == "always_sample" ? AlwaysSample() : TraceFlags();
  }
  if (kTypes.find(type) == kTypes.npos || type.empty())
    policy.Refuse("type", type + " is unknown; known are " + std::string(kTypes) +
                              ". A policy extension is code inside a Collector and cannot be "
                              "carried over; write a sampler plugin");
  Settings s = policy.Object(type);
  PolicyPtr made;
  if (type == "latency") {
    const int64_t lower = s.Int("threshold_ms", 0);
    made = Latency(lower, s.Int("upper_threshold_ms", 0));
  } else if (type == "span_count") {
    const int64_t min = s.Int("min_spans", 0);
    made = SpanCount(min, s.Int("max_spans", 0));
  } else if (type == "status_code") {
    made = ReadStatus(s);
  } else if (type == "string_attribute") {
    made = ReadString(s);
  } else if (type == "numeric_attribute") {
    made = ReadNumeric(s);
  } else if (type == "boolean_attribute") {
    made = ReadBoolean(s);
  } else if (type == "trace_state") {
    made = ReadTraceState(s);
  } else if (type == "probabilistic") {
    made = ReadProbabilistic(s);
  } else if (type == "rate_limiting" || type == "bytes_limiting") {
    made = ReadLimit(s, type == "bytes_limiting");
  } else {
    made = ReadOttl(s);
  }
  s.Finish();
  return made;
}

std::vector<PolicyPtr> PolicyReader::ReadParts(Settings& s, const char* key) {
  std::vector<PolicyPtr> parts;
  for (Settings& part : s.Objects(key)) {
    const std::string name = part.Text("name", "");
    if (!name.empty()) part.Name(name);
    parts.push_back(Read(part, part.Text("type"), Place::kInside));
  }
  // Without parts everything would be sampled, or dropped.
  if (parts.empty()) s.Refuse(key, "at least one policy is wanted");
  return parts;
}

PolicyPtr PolicyReader::ReadStatus(Settings& s) {
  uint32_t statuses = 0;
  for (const std::string& code : s.Texts("status_codes")) {
    if (code == "UNSET")
      statuses |= 1u << WEFT_STATUS_UNSET;
    else if (code == "OK")
      statuses |= 1u << WEFT_STATUS_OK;
    else if (code == "ERROR")
      statuses |= 1u << WEFT_STATUS_ERROR;
    else
      s.Refuse("status_codes", "\"" + code + "\" is none of OK, ERROR, UNSET");
  }
  if (statuses == 0) s.Refuse("status_codes", "at least one of OK, ERROR, UNSET is wanted");
  return SpanTest(tests_.AddStatus(statuses), false);
}

PolicyPtr PolicyReader::ReadString(Settings& s) {
  const std::string key = s.Text("key");
  const std::vector<std::string> values = s.Texts("values");
  s.Int("cache_max_size", 0);
  const Matcher matches =
      s.Flag("enabled_regex_matching", false) ? AnyPattern(s, values) : OneOf(values);
  // A value that is no text reads as an empty one; of a span an empty one never matches.
  const auto passes = [matches](const AttributeValue& value, bool of_span) {
    return !(of_span && value.text.empty()) && matches(value.text);
  };
  return SpanTest(tests_.AddAttribute(key, passes), s.Flag("invert_match", false));
}

PolicyPtr PolicyReader::ReadNumeric(Settings& s) {
  const std::string key = s.Text("key");
  const int64_t min = s.Int("min_value", 0), max = s.Int("max_value", 0);
  // 0 is no bound, and a value that is no whole number reads as 0, as in the Collector.
  const auto passes = [min, max](const AttributeValue& value, bool) {
    const auto number = value.type == WEFT_ATTR_INT ? static_cast<int64_t>(value.bits) : 0;
    return (min == 0 || number >= min) && (max == 0 || number <= max);
  };
  return SpanTest(tests_.AddAttribute(key, passes), s.Flag("invert_match", false));
}

PolicyPtr PolicyReader::ReadBoolean(Settings& s) {
  const std::string key = s.Text("key");
  const bool wanted = s.Flag("value", false);
  const auto passes = [wanted](const AttributeValue& value, bool) {
    return (value.type == WEFT_ATTR_BOOL && value.bits != 0) == wanted;
  };
  return SpanTest(tests_.AddAttribute(key, passes), s.Flag("invert_match", false));
}

PolicyPtr PolicyReader::ReadTraceState(Settings& s) {
  const std::string key = s.Text("key");
  std::vector<std::string> values = s.Texts("values");
  std::erase_if(values, [&](const auto& value) { return key.size() + value.size() >= 256; });
  const auto passes = [key, matches = OneOf(values)](const AttributeValue& value, bool) {
    for (std::string_view rest = value.text; !rest.empty();) {
      std::string_view member = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), member.size() + 1));
      while (!member.empty() && (member.front() == ' ' || member.front() == '\t'))
        member.remove_prefix(1);
      while (!member.empty() && (member.back() == ' ' || member.back() == '\t'))
        member.remove_suffix(1);
      if (member.size() > key.size() && member.starts_with(key) && member[key.size()] == '=')
        return matches(member.substr(key.size() + 1));
    }
    return false;
  };
  return SpanTest(tests_.AddAttribute("w3c.tracestate", passes), false);
}

PolicyPtr PolicyReader::ReadProbabilistic(Settings& s) {
  if (condition_) s.Refuse("a condition cannot depend on chance; use the rule's keep");
  std::string text = s.Text("hash_salt", "");
  if (text.empty()) text = "default-hash-seed";
  const double percent = s.Number("sampling_percentage", 0);
  if (!(percent >= 0)) s.Refuse("sampling_percentage", "a percentage is wanted");
  auto salt = std::ranges::find(salts_, text, &Salt::text);
  if (salt == salts_.end()) salt = salts_.insert(salts_.end(), {text, {}});
  salt->thresholds.push_back(PercentThreshold(percent));
  return Probabilistic(static_cast<uint32_t>(salt - salts_.begin()), salt->thresholds.back());
}

PolicyPtr PolicyReader::ReadLimit(Settings& s, bool bytes) {
  if (condition_) s.Refuse("a condition cannot have a budget; use the rule's limit");
  const char* key = bytes ? "bytes_per_second" : "spans_per_second";
  const double rate = s.Number(key, 0);
  if (!(rate > 0)) s.Refuse(key, "a number above 0 is wanted");
  double burst = s.Number("burst_capacity", 0);
  if (burst < 0) s.Refuse("burst_capacity", "a number above 0 is wanted");
  if (burst == 0) burst = 2 * rate;
  wants_bytes_ |= bytes;
  return RateLimit(limiters_++, bytes ? Measure::kBytes : Measure::kSpans, rate, burst);
}

PolicyPtr PolicyReader::ReadOttl(Settings& s) {
  OttlConditions conditions;
  const std::string mode = s.Text("error_mode", "ignore");
  if (mode != "ignore" && mode != "silent" && mode != "propagate")
    s.Refuse("error_mode", "\"" + mode + "\" is none of ignore, silent, propagate");
  conditions.propagate = mode == "propagate";
  const auto read = [&](const char* key, OttlContext context, std::vector<OttlGetter>* out) {
    for (const std::string& text : s.Texts(key)) {
      try {
        out->push_back(ParseOttl(text, context));
      } catch (const sdk::ConfigError& e) {
        s.Refuse(key, e.what());
      }
    }
  };
  read("span", OttlContext::kSpan, &conditions.span);
  read("spanevent", OttlContext::kSpanEvent, &conditions.event);
  if (conditions.span.empty() && conditions.event.empty())
    s.Refuse("a condition is missing, in span or in spanevent");
  return Ottl(std::move(conditions));
}

PolicyPtr PolicyReader::ReadComposite(Settings& s) {
  const double total = s.Number("max_total_spans_per_second", 0);
  if (!(total > 0)) s.Refuse("max_total_spans_per_second", "a number above 0 is wanted");
  std::vector<CompositePart> parts;
  for (Settings& part : s.Objects("composite_sub_policy")) {
    const std::string name = part.Text("name");
    part.Name(name);
    parts.push_back({name, Read(part, part.Text("type"), Place::kInside), 0});
  }
  if (parts.empty()) s.Refuse("composite_sub_policy", "at least one policy is wanted");
  const auto find = [&](const char* key, const std::string& name) -> CompositePart& {
    const auto it = std::ranges::find(parts, name, &CompositePart::name);
    if (it == parts.end()) s.Refuse(key, "there is no sub-policy \"" + name + "\"");
    return *it;
  };
  // A part without an allocation has nothing to spend, as in the Collector.
  if (s.Has("rate_allocation"))
    for (Settings& allocation : s.Objects("rate_allocation")) {
      CompositePart& part = find("rate_allocation", allocation.Text("policy"));
      const auto percent = static_cast<double>(allocation.Int("percent", 0));
      part.spans_per_second =
          percent > 0 ? percent / 100 * total : total / static_cast<double>(parts.size());
      allocation.Finish();
    }
  // Those that are named come first, in that order.
  std::vector<CompositePart> ordered;
  for (const std::string& name : s.Texts("policy_order")) {
    CompositePart& part = find("policy_order", name);
    if (part.policy == nullptr) s.Refuse("policy_order", "\"" + name + "\" is there twice");
    ordered.push_back(std::move(part));
  }
  for (CompositePart& part : parts)
    if (part.policy != nullptr) ordered.push_back(std::move(part));
  const uint32_t first = limiters_;
  limiters_ += static_cast<uint32_t>(ordered.size());
  return Composite(first, total, std::move(ordered));
}

}  // namespace weft::tail
