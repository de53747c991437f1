#include "sinks/zipkin/zipkin_json.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <simdjson.h>

#include "engine/api/dictionary.h"
#include "engine/base/json_text.h"
#include "sinks/jsonl/json_text.h"

namespace weft::sinks {
namespace {

constexpr std::string_view kKinds[] = {"", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
constexpr std::string_view kEvents = "otel.events";
constexpr std::string_view kStatusText = "otel.status_description";

template <typename T>
T At(const T* column, uint32_t row) {
  return column ? column[row] : T{};
}

std::string_view Text(const weft_spans& s, const uint32_t* column, uint32_t row) {
  return column ? api::View(s.strings[column[row]]) : std::string_view{};
}

std::string_view KeyOf(const weft_spans& s, uint32_t pair) {
  return api::View(s.strings[s.pairs->key[pair]]);
}

// {"serviceName":"cart","ipv4":"10.0.0.1","port":80}; nothing where all is empty.
void AppendEndpoint(std::string& out, std::string_view field, std::string_view service,
                    std::string_view address, uint16_t port) {
  if (service.empty() && address.empty()) return;
  out.append(",\"").append(field).append("\":{");
  const char* comma = "";
  if (!service.empty()) {
    out.append("\"serviceName\":");
    AppendJsonString(out, service);
    comma = ",";
  }
  if (!address.empty()) {
    const bool v6 = address.find(':') != address.npos;
    out.append(comma).append(v6 ? "\"ipv6\":" : "\"ipv4\":");
    AppendJsonString(out, address);
    comma = ",";
  }
  if (port != 0) AppendUint(out.append(comma).append("\"port\":"), port);
  out.push_back('}');
}

// What AppendPlainValue makes, as a JSON string.
void AppendTag(std::string& out, std::string_view key, const weft_spans& s, uint32_t pair) {
  out.append(out.back() == '{' ? "" : ",");
  AppendJsonString(out, key);
  out.push_back(':');
  const size_t at = out.size();
  AppendPlainValue(out, s, pair);
  if (out[at] == '"') return;
  out.insert(at, 1, '"');
  out.push_back('"');
}

void AppendTags(std::string& out, const weft_spans& s, uint32_t row) {
  out.append(",\"tags\":{");
  const bool failed = At(s.status, row) == WEFT_STATUS_ERROR;
  bool told = false;
  if (s.attr_offset != nullptr)
    for (uint32_t a = s.attr_offset[row]; a < s.attr_offset[row + 1]; ++a) {
      const std::string_view key = KeyOf(s, s.attr[a]);
      if (key == kEvents) continue;
      const bool error = key == "error" || (failed && key == kStatusText);
      if (error && told) continue;
      told |= error;
      AppendTag(out, error ? "error" : key, s, s.attr[a]);
    }
  if (failed && !told) out.append(out.back() == '{' ? "\"error\":\"true\"" : ",\"error\":\"true\"");
  out.push_back('}');
}

// [{"timeUnixNano":"1","name":"x"},...] as [{"timestamp":1,"value":"x"},...].
void AppendAnnotations(std::string& out, std::string_view json) {
  simdjson::dom::parser parser;
  simdjson::dom::array events;
  if (parser.parse(json.data(), json.size()).get(events) != simdjson::SUCCESS) return;
  const char* comma = ",\"annotations\":[";
  for (const simdjson::dom::element event : events) {
    std::string_view name, time;
    uint64_t ns = 0;
    if (!event.is_object() || event["name"].get(name) != simdjson::SUCCESS ||
        event["timeUnixNano"].get(time) != simdjson::SUCCESS)
      continue;
    std::from_chars(time.data(), time.data() + time.size(), ns);
    AppendUint(out.append(comma).append("{\"timestamp\":"), ns / 1000);
    AppendJsonString(out.append(",\"value\":"), name);
    out.push_back('}');
    comma = ",";
  }
  if (*comma == ',' && comma[1] == '\0') out.push_back(']');
}

}  // namespace

void AppendZipkinSpan(std::string& out, const weft_spans& s, uint32_t row) {
  out.append("{\"traceId\":\"");
  AppendHex(out, At(s.trace_hi, row));
  AppendHex(out, At(s.trace_lo, row));
  AppendHex(out.append("\",\"id\":\""), s.span_id[row]);
  if (const uint64_t parent = At(s.parent_id, row); parent != 0)
    AppendHex(out.append("\",\"parentId\":\""), parent);
  out.append("\",\"name\":");
  AppendJsonString(out, Text(s, s.operation, row));
  if (const uint8_t kind = s.kind[row]; kind < std::size(kKinds) && !kKinds[kind].empty())
    out.append(",\"kind\":\"").append(kKinds[kind]).append("\"");
  // Zipkin's durations begin at one microsecond.
  const int64_t duration = std::max<int64_t>((s.end_ns[row] - s.start_ns[row]) / 1000, 1);
  AppendInt(out.append(",\"timestamp\":"), s.start_ns[row] / 1000);
  AppendInt(out.append(",\"duration\":"), duration);
  AppendEndpoint(out, "localEndpoint", Text(s, s.service, row), Text(s, s.local_address, row),
                 At(s.local_port, row));
  AppendEndpoint(out, "remoteEndpoint", Text(s, s.peer, row), Text(s, s.remote_address, row),
                 At(s.remote_port, row));
  AppendTags(out, s, row);
  if (s.attr_offset != nullptr)
    for (uint32_t a = s.attr_offset[row]; a < s.attr_offset[row + 1]; ++a)
      if (KeyOf(s, s.attr[a]) == kEvents && s.pairs->type[s.attr[a]] == WEFT_ATTR_STRING)
        AppendAnnotations(out,
                          api::View(s.strings[static_cast<uint32_t>(s.pairs->value[s.attr[a]])]));
  out.push_back('}');
}

}  // namespace weft::sinks
