#include "sql/serve/jaeger_query.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include <fmt/format.h>
#include <simdjson.h>

namespace weft::serve {
namespace {

constexpr int64_t kHourNs = 3'600'000'000'000;
constexpr int64_t kDefaultLookbackNs = 48 * kHourNs;

struct Unit {
  std::string_view name;
  double ns;
};
constexpr Unit kUnits[] = {{"ns", 1},   {"us", 1e3}, {"µs", 1e3}, {"μs", 1e3},
                           {"ms", 1e6}, {"s", 1e9},  {"m", 6e10}, {"h", 3.6e12}};

Error About(std::string_view parameter, const Error& error) {
  return {Code::kInvalid, fmt::format("unable to parse param '{}': {}", parameter, error.message)};
}

Result<int64_t> DurationOf(const Target& target, std::string_view name) {
  const std::string_view text = target.Get(name);
  if (text.empty()) return 0;
  const Result<int64_t> duration = ParseGoDuration(text);
  if (!duration) return std::unexpected(About(name, duration.error()));
  return *duration;
}

Result<void> ReadTags(const Target& target, std::map<std::string, std::string>* tags) {
  for (const std::string_view tag : target.All("tag")) {
    const size_t colon = tag.find(':');
    if (colon == tag.npos)
      return Fail(Code::kInvalid, fmt::format("malformed 'tag' parameter, expecting key:value, "
                                              "received: {}",
                                              tag));
    (*tags)[std::string(tag.substr(0, colon))] = tag.substr(colon + 1);
  }
  for (const std::string_view json : target.All("tags")) WEFT_TRY(AddJaegerTags(json, tags));
  return {};
}

// The digits of a fixed place; -1 where there is something else.
int Digits(std::string_view text, size_t at, size_t count) {
  int number = 0;
  if (at + count > text.size()) return -1;
  for (const char c : text.substr(at, count)) {
    if (c < '0' || c > '9') return -1;
    number = 10 * number + (c - '0');
  }
  return number;
}

}  // namespace

Result<void> AddJaegerTags(std::string_view text, std::map<std::string, std::string>* tags) {
  const auto refuse = [](std::string_view why) {
    return Fail(Code::kInvalid,
                fmt::format("malformed 'tags' parameter, cannot unmarshal JSON: {}", why));
  };
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  const simdjson::padded_string padded(text);
  if (const auto error = parser.parse(padded).get(document)) return refuse(error_message(error));
  if (document.is_null()) return {};
  simdjson::dom::object object;
  if (document.get(object)) return refuse("expected an object of strings");
  for (const auto& [key, value] : object) {
    std::string_view one;
    if (!value.is_null() && value.get(one))
      return refuse(fmt::format("the value of '{}' is no string", key));
    (*tags)[std::string(key)] = one;
  }
  return {};
}

Result<int64_t> ParseGoInt(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  if (read.ec == std::errc::result_out_of_range && read.ptr == end)
    return Fail(Code::kInvalid,
                fmt::format("strconv.ParseInt: parsing \"{}\": value out of range", text));
  if (read.ec != std::errc{} || read.ptr != end || digits.starts_with("+-"))
    return Fail(Code::kInvalid,
                fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", text));
  return number;
}

Result<int64_t> ParseGoDuration(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Fail(Code::kInvalid, fmt::format("time: {} \"{}\"", why, text));
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) return refuse("invalid duration");
  double total = 0;
  while (!rest.empty()) {
    const size_t length = std::min(rest.find_first_not_of("0123456789."), rest.size());
    double number = 0;
    const auto read =
        std::from_chars(rest.data(), rest.data() + length, number, std::chars_format::fixed);
    if (length == 0 || read.ec != std::errc{} || read.ptr != rest.data() + length)
      return refuse("invalid duration");
    rest.remove_prefix(length);
    const std::string_view name = rest.substr(0, rest.find_first_of("0123456789."));
    if (name.empty()) return refuse("missing unit in duration");
    const auto* const unit = std::ranges::find(kUnits, name, &Unit::name);
    if (unit == std::end(kUnits))
      return Fail(Code::kInvalid,
                  fmt::format("time: unknown unit \"{}\" in duration \"{}\"", name, text));
    total += number * unit->ns;
    rest.remove_prefix(name.size());
  }
  if (total > 9.2e18) return refuse("invalid duration");
  const auto ns = static_cast<int64_t>(std::llround(total));
  return negative ? -ns : ns;
}

Result<int64_t> ParseRfc3339(std::string_view text) {
  const auto refuse = [&] {
    return Fail(Code::kInvalid, fmt::format("parsing time \"{}\": expected RFC 3339, as in "
                                            "2026-11-21T12:00:00.123Z",
                                            text));
  };
  std::tm tm{};
  const std::array<int, 6> parts = {Digits(text, 0, 4),  Digits(text, 5, 2),  Digits(text, 8, 2),
                                    Digits(text, 11, 2), Digits(text, 14, 2), Digits(text, 17, 2)};
  if (text.size() < 20 || *std::ranges::min_element(parts) < 0 || text[4] != '-' ||
      text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' || parts[1] < 1 ||
      parts[1] > 12 || parts[2] < 1 || parts[2] > 31 || parts[3] > 23 || parts[4] > 59 ||
      parts[5] > 60 || parts[0] < 1970 || parts[0] > 2200)
    return refuse();
  tm.tm_year = parts[0] - 1900;
  tm.tm_mon = parts[1] - 1;
  tm.tm_mday = parts[2];
  tm.tm_hour = parts[3];
  tm.tm_min = parts[4];
  tm.tm_sec = parts[5];
  int64_t ns = int64_t{timegm(&tm)} * 1'000'000'000;
  std::string_view rest = text.substr(19);
  if (rest.starts_with('.')) {
    int64_t scale = 100'000'000;
    for (rest.remove_prefix(1); !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
         rest.remove_prefix(1), scale /= 10)
      ns += scale * (rest[0] - '0');
  }
  if (rest == "Z") return ns;
  const int hours = Digits(rest, 1, 2), minutes = Digits(rest, 4, 2);
  if (rest.size() != 6 || (rest[0] != '+' && rest[0] != '-') || rest[3] != ':' || hours < 0 ||
      minutes < 0)
    return refuse();
  const int64_t offset = (hours * 60 + minutes) * int64_t{60'000'000'000};
  return rest[0] == '+' ? ns - offset : ns + offset;
}

Result<std::string> ParseJaegerTraceId(std::string_view text) {
  if (text.size() > 32)
    return Fail(Code::kInvalid,
                fmt::format("TraceID cannot be longer than 32 hex characters: {}", text));
  std::string id(32 - text.size(), '0');
  for (const char c : text) id.push_back(c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c);
  if (text.empty() || id.find_first_not_of("0123456789abcdef") != id.npos)
    return Fail(Code::kInvalid,
                fmt::format("strconv.ParseUint: parsing \"{}\": invalid syntax", text));
  return id;
}

Result<int64_t> ParseJaegerTime(const Target& target, std::string_view name, int64_t unit_ns,
                                int64_t fallback_ns) {
  const std::string_view text = target.Get(name);
  if (text.empty()) return fallback_ns;
  const Result<int64_t> number = ParseGoInt(text);
  if (!number) return std::unexpected(About(name, number.error()));
  const int64_t most = INT64_MAX / unit_ns;
  return std::clamp(*number, -most, most) * unit_ns;
}

Result<JaegerQuery> ParseJaegerQuery(const Target& target, int64_t now_ns) {
  JaegerQuery query;
  query.service = target.Get("service");
  query.operation = target.Get("operation");
  const auto from = ParseJaegerTime(target, "start", 1'000, now_ns - kDefaultLookbackNs);
  if (!from) return std::unexpected(from.error());
  const auto to = ParseJaegerTime(target, "end", 1'000, now_ns);
  if (!to) return std::unexpected(to.error());
  query.from_ns = *from;
  query.to_ns = *to;
  WEFT_TRY(ReadTags(target, &query.tags));
  if (const std::string_view limit = target.Get("limit"); !limit.empty()) {
    const Result<int64_t> number = ParseGoInt(limit);
    if (!number) return std::unexpected(number.error());
    query.limit = *number;
  }
  const auto min = DurationOf(target, "minDuration");
  if (!min) return std::unexpected(min.error());
  const auto max = DurationOf(target, "maxDuration");
  if (!max) return std::unexpected(max.error());
  query.min_duration_ns = *min;
  query.max_duration_ns = *max;
  for (const std::string_view id : target.All("traceID")) {
    Result<std::string> parsed = ParseJaegerTraceId(id);
    if (!parsed)
      return Fail(Code::kInvalid, "cannot parse traceID param: " + parsed.error().message);
    query.trace_ids.push_back(std::move(*parsed));
  }
  if (query.trace_ids.empty() && query.service.empty())
    return Fail(Code::kInvalid, "parameter 'service' is required");
  if (*min != 0 && *max != 0 && *max < *min)
    return Fail(Code::kInvalid, "'maxDuration' should be greater than 'minDuration'");
  return query;
}

}  // namespace weft::serve
