#include "sql/trace_json.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <span>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/base/json_text.h"
#include "sql/json_member.h"

namespace weft::sql {
namespace {

// OpenTelemetry's SpanKind by number, as Jaeger's tag and Zipkin's field have it.
constexpr std::string_view kJaegerKinds[] = {"",       "internal", "server",
                                             "client", "producer", "consumer"};
constexpr std::string_view kZipkinKinds[] = {"", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
constexpr uint8_t kError = 2;

std::string_view At(std::span<const std::string_view> names, uint8_t kind) {
  return kind < names.size() ? names[kind] : std::string_view{};
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

bool Whole(std::string_view number) {
  return number.find_first_not_of("-0123456789") == std::string_view::npos;
}

// The value as text: strings without their quotes and escapes, all else as JSON has it.
std::string Plain(const JsonMember& member) {
  return member.kind == JsonMember::kText ? Unescape(member.raw) : std::string(member.raw);
}

std::string OtlpValue(const JsonMember& member) {
  switch (member.kind) {
    case JsonMember::kTrue:
    case JsonMember::kFalse: return fmt::format("{{\"boolValue\":{}}}", member.raw);
    case JsonMember::kNumber:
      if (Whole(member.raw)) return fmt::format("{{\"intValue\":\"{}\"}}", member.raw);
      return fmt::format("{{\"doubleValue\":{}}}", member.raw);
    default: return fmt::format("{{\"stringValue\":{}}}", Quoted(Plain(member)));
  }
}

std::string OtlpAttributes(std::string_view json) {
  std::string out = "[";
  EachMember(json, [&](std::string_view key, const JsonMember& member) {
    out += fmt::format("{}{{\"key\":\"{}\",\"value\":{}}}", out.size() == 1 ? "" : ",", key,
                       OtlpValue(member));
  });
  return out + "]";
}

// Jaeger's pages read numbers as doubles: what these do not hold comes as a text.
bool Exact(std::string_view number) {
  constexpr int64_t kExact = int64_t{1} << 53;
  int64_t value = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), value);
  return !Whole(number) || (read.ec == std::errc{} && value < kExact && value > -kExact);
}

std::string JaegerTag(std::string_view quoted_key, const JsonMember& member) {
  const bool number = member.kind == JsonMember::kNumber;
  const bool truth = member.kind == JsonMember::kTrue || member.kind == JsonMember::kFalse;
  return fmt::format(
      "{{\"key\":{},\"type\":\"{}\",\"value\":{}}}", quoted_key,
      truth                         ? "bool"
      : number && Whole(member.raw) ? "int64"
      : number                      ? "float64"
                                    : "string",
      (number && Exact(member.raw)) || truth ? std::string(member.raw) : Quoted(Plain(member)));
}

std::string TextTag(std::string_view key, std::string_view value) {
  return fmt::format("{{\"key\":{},\"type\":\"string\",\"value\":{}}}", Quoted(key), Quoted(value));
}

std::string Joined(std::vector<std::pair<std::string, std::string>> tags) {
  std::ranges::sort(tags);  // by key, as Jaeger does
  std::string out = "[";
  for (const auto& [key, tag] : tags) out.append(out.size() == 1 ? "" : ",").append(tag);
  return out + "]";
}

std::string JaegerTags(const StoredSpan& span) {
  std::vector<std::pair<std::string, std::string>> tags;
  const auto add = [&](std::string_view key, std::string tag) {
    tags.emplace_back(key, std::move(tag));
  };
  if (const auto kind = At(kJaegerKinds, span.kind); !kind.empty())
    add("span.kind", TextTag("span.kind", kind));
  if (span.status == kError) add("error", R"({"key":"error","type":"bool","value":true})");
  if (span.status != 0)
    add("otel.status_code", TextTag("otel.status_code", span.status == kError ? "ERROR" : "OK"));
  if (!span.peer.empty()) add("peer.address", TextTag("peer.address", span.peer));
  EachMember(span.attributes, [&](std::string_view key, const JsonMember& member) {
    add(key, JaegerTag(fmt::format("\"{}\"", key), member));
  });
  return Joined(std::move(tags));
}

// Where the upper half is empty Jaeger shows the lower one.
std::string_view JaegerTraceId(std::string_view id) {
  return id.size() == 32 && id.find_first_not_of('0') >= 16 ? id.substr(16) : id;
}

// Spans of one process stand together.
using ProcessKey = std::tuple<std::string_view, std::string_view, int64_t>;
ProcessKey KeyOf(const StoredSpan& span) { return {span.service, span.node, span.pid}; }

}  // namespace

void AppendResourceSpans(std::string& out, const StoredTrace& trace,
                         const std::vector<StoredSpan>& spans) {
  std::map<ProcessKey, std::vector<const StoredSpan*>> processes;
  for (const StoredSpan& span : spans) processes[KeyOf(span)].push_back(&span);
  bool first_process = true;
  for (const auto& [key, all] : processes) {
    const auto& [service, node, pid] = key;
    out += fmt::format(
        "{}{{\"resource\":{{\"attributes\":[{{\"key\":\"service.name\",\"value\":"
        "{{\"stringValue\":{}}}}}",
        first_process ? "" : ",", Quoted(service));
    if (!node.empty())
      out +=
          fmt::format(",{{\"key\":\"host.name\",\"value\":{{\"stringValue\":{}}}}}", Quoted(node));
    if (pid != 0)
      out += fmt::format(",{{\"key\":\"process.pid\",\"value\":{{\"intValue\":\"{}\"}}}}", pid);
    out += "]},\"scopeSpans\":[{\"scope\":{\"name\":\"weft\"},\"spans\":[";
    first_process = false;
    for (size_t i = 0; i < all.size(); ++i) {
      const StoredSpan& s = *all[i];
      out += fmt::format("{}{{\"traceId\":\"{}\",\"spanId\":\"{}\",", i == 0 ? "" : ",",
                         trace.trace_id, HexId(s.span_id));
      if (s.parent_id != 0) out += fmt::format("\"parentSpanId\":\"{}\",", HexId(s.parent_id));
      out += fmt::format(
          "\"name\":{},\"kind\":{},\"startTimeUnixNano\":\"{}\","
          "\"endTimeUnixNano\":\"{}\",\"attributes\":{},\"status\":{{\"code\":{}}}}}",
          Quoted(s.operation), s.kind, s.start_ns, s.end_ns(), OtlpAttributes(s.attributes),
          s.status);
    }
    out += "]}]}";
  }
}

void AppendOtlpJson(std::string& out, const StoredTrace& trace,
                    const std::vector<StoredSpan>& spans) {
  out += "{\"resourceSpans\":[";
  AppendResourceSpans(out, trace, spans);
  out += "]}";
}

void AppendJaegerJson(std::string& out, const StoredTrace& trace,
                      const std::vector<StoredSpan>& spans) {
  std::map<ProcessKey, std::string> processes;
  for (const StoredSpan& span : spans) processes.try_emplace(KeyOf(span));
  size_t number = 0;
  for (auto& [key, name] : processes) name = fmt::format("p{}", ++number);
  const std::string_view id = JaegerTraceId(trace.trace_id);
  out += fmt::format("{{\"traceID\":\"{}\",\"spans\":[", id);
  for (size_t i = 0; i < spans.size(); ++i) {
    const StoredSpan& s = spans[i];
    out += fmt::format(
        "{}{{\"traceID\":\"{}\",\"spanID\":\"{}\",\"operationName\":{},"
        "\"references\":[",
        i == 0 ? "" : ",", id, HexId(s.span_id), Quoted(s.operation));
    if (s.parent_id != 0)
      out += fmt::format("{{\"refType\":\"CHILD_OF\",\"traceID\":\"{}\",\"spanID\":\"{}\"}}", id,
                         HexId(s.parent_id));
    out += fmt::format(
        "],\"startTime\":{},\"duration\":{},\"tags\":{},\"logs\":[],"
        "\"processID\":\"{}\",\"warnings\":null}}",
        s.start_ns / 1'000, s.duration_ns / 1'000, JaegerTags(s), processes.at(KeyOf(s)));
  }
  out += "],\"processes\":{";
  bool first = true;
  for (const auto& [key, name] : processes) {
    const auto& [service, node, pid] = key;
    std::vector<std::pair<std::string, std::string>> tags;
    if (!node.empty()) tags.emplace_back("host.name", TextTag("host.name", node));
    if (pid != 0)
      tags.emplace_back("process.pid", fmt::format("{{\"key\":\"process.pid\",\"type\":\"int64\","
                                                   "\"value\":{}}}",
                                                   pid));
    out += fmt::format("{}\"{}\":{{\"serviceName\":{},\"tags\":{}}}", first ? "" : ",", name,
                       Quoted(service), Joined(std::move(tags)));
    first = false;
  }
  out += "},\"warnings\":null}";
}

void AppendZipkinJson(std::string& out, const StoredTrace& trace,
                      const std::vector<StoredSpan>& spans) {
  for (size_t i = 0; i < spans.size(); ++i) {
    const StoredSpan& s = spans[i];
    out += fmt::format("{}{{\"traceId\":\"{}\",\"id\":\"{}\",", i == 0 ? "" : ",", trace.trace_id,
                       HexId(s.span_id));
    if (s.parent_id != 0) out += fmt::format("\"parentId\":\"{}\",", HexId(s.parent_id));
    if (const auto kind = At(kZipkinKinds, s.kind); !kind.empty())
      out += fmt::format("\"kind\":\"{}\",", kind);
    // Zipkin's durations begin at one microsecond.
    out += fmt::format(
        "\"name\":{},\"timestamp\":{},\"duration\":{},\"localEndpoint\":"
        "{{\"serviceName\":{}}}",
        Quoted(s.operation), s.start_ns / 1'000, std::max<int64_t>(s.duration_ns / 1'000, 1),
        Quoted(s.service));
    if (!s.peer.empty())
      out += fmt::format(",\"remoteEndpoint\":{{\"serviceName\":{}}}", Quoted(s.peer));
    out += ",\"tags\":{";
    bool first = true;
    if (s.status == kError) {
      out += "\"error\":\"true\"";
      first = false;
    }
    EachMember(s.attributes, [&](std::string_view key, const JsonMember& member) {
      out += fmt::format("{}\"{}\":{}", first ? "" : ",", key, Quoted(Plain(member)));
      first = false;
    });
    out += "}}";
  }
}

}  // namespace weft::sql
