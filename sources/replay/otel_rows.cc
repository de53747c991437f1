#include "sources/replay/otel_rows.h"

#include <algorithm>
#include <chrono>

namespace weft::sources {
namespace {

bool Digits(std::string_view text, size_t at, size_t n, int* out) {
  *out = 0;
  for (size_t i = at; i < at + n; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return false;
    *out = *out * 10 + (text[i] - '0');
  }
  return true;
}

std::string Dotted(std::string_view key) {
  std::string out(key);
  std::ranges::replace(out, '@', '.');
  return out;
}

}  // namespace

bool ParseIsoTime(std::string_view text, uint64_t* unix_ns) {
  int year, month, day, hour, minute, second;
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':' || text.back() != 'Z')
    return false;
  if (!Digits(text, 0, 4, &year) || !Digits(text, 5, 2, &month) || !Digits(text, 8, 2, &day) ||
      !Digits(text, 11, 2, &hour) || !Digits(text, 14, 2, &minute) || !Digits(text, 17, 2, &second))
    return false;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok() || year < 1970 || year > 2200 || hour > 23 || minute > 59 || second > 60)
    return false;
  uint64_t fraction = 0;
  const std::string_view rest = text.substr(19, text.size() - 20);
  if (!rest.empty()) {
    if (rest[0] != '.' || rest.size() < 2 || rest.size() > 10) return false;
    for (size_t i = 1; i < 10; ++i) {
      const char c = i < rest.size() ? rest[i] : '0';
      if (c < '0' || c > '9') return false;
      fraction = fraction * 10 + static_cast<uint64_t>(c - '0');
    }
  }
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  const auto seconds = static_cast<uint64_t>(days) * 86400 +
                       static_cast<uint64_t>(hour * 3600 + minute * 60 + second);
  *unix_ns = seconds * 1'000'000'000 + fraction;
  return true;
}

bool OtelRows::IsRow(JsonElement value) {
  return Has(value, "traceId") && Has(value, "spanId") && Has(value, "startTime");
}

void OtelRows::ReadResource(JsonElement row, ForeignRows& out) {
  constexpr std::string_view kPrefix = "resource.attributes.";
  otlp::OtlpRows& rows = out.rows();
  rows.Resource();
  if (const std::string_view name = Text(row, "serviceName"); !name.empty())
    rows.ResourceAttribute("service.name", {WEFT_ATTR_STRING, name, 0});
  simdjson::dom::object members;
  if (row.get(members) != simdjson::SUCCESS) return;
  for (const auto& [key, value] : members) {
    if (!key.starts_with(kPrefix) || key == "resource.attributes.service@name") continue;
    rows.ResourceAttribute(Dotted(key.substr(kPrefix.size())), ValueOf(value, &made_));
  }
  rows.EndResource();
}

void OtelRows::Row(JsonElement in, uint64_t line, ForeignRows& out) {
  constexpr std::string_view kPrefix = "span.attributes.";
  otlp::Span span;
  span.trace = TraceIdOf(Text(in, "traceId"));
  span.span_id = SpanIdOf(Text(in, "spanId"));
  span.parent_id = SpanIdOf(Text(in, "parentSpanId"));
  span.kind = SpanKindOf(Text(in, "kind"));
  span.name = Text(in, "name");
  span.trace_state = Text(in, "traceState");
  if (!ParseIsoTime(Text(in, "startTime"), &span.start_ns))
    return out.Malformed(line, "startTime is no time such as 2021-03-25T17:23:30.088Z");
  if (!ParseIsoTime(Text(in, "endTime"), &span.end_ns)) span.end_ns = span.start_ns;
  Number(in, "status.code", &span.status);
  ReadResource(in, out);
  const std::string_view scope = Text(in, "instrumentationLibrary.name");
  out.rows().Scope(scope, Text(in, "instrumentationLibrary.version"));
  simdjson::dom::object members;
  if (out.Add(span, {}, line) && in.get(members) == simdjson::SUCCESS)
    for (const auto& [key, value] : members)
      if (key.starts_with(kPrefix))
        out.Attribute(Dotted(key.substr(kPrefix.size())), ValueOf(value, &made_));
  out.rows().Scope({}, {});
}

}  // namespace weft::sources
