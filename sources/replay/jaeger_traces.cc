#include "sources/replay/jaeger_traces.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "engine/base/json_text.h"

namespace weft::sources {
namespace {

// Elasticsearch gets every value as text, with its type beside it.
otlp::Value Typed(otlp::Value value, std::string_view type) {
  if (value.type != WEFT_ATTR_STRING || type == "string") return value;
  const std::string_view text = value.text;
  const char* const end = text.data() + text.size();
  if (type == "bool" && (text == "true" || text == "false"))
    return {WEFT_ATTR_BOOL, {}, text == "true" ? 1u : 0u};
  if (int64_t number = 0; type == "int64" || type == "long") {
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && rest == end)
      return {WEFT_ATTR_INT, {}, std::bit_cast<uint64_t>(number)};
  }
  if (double number = 0; type == "float64" || type == "double") {
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc() && rest == end)
      return {WEFT_ATTR_DOUBLE, {}, std::bit_cast<uint64_t>(number)};
  }
  return value;
}

// "http@url" where the index was told to store tags as fields.
std::string Dotted(std::string_view key) {
  std::string out(key);
  std::ranges::replace(out, '@', '.');
  return out;
}

// Calls visit(key, value, type) for each tag in either of its forms.
template <typename Visit>
void ForEachTag(JsonElement of, Visit visit) {
  ForEach(of, "tags", [&](JsonElement tag) {
    JsonElement value;
    if (IsObject(tag) && tag["value"].get(value) == simdjson::SUCCESS)
      visit(std::string(Text(tag, "key")), value, Text(tag, "type"));
  });
  ForEachMember(of, "tag", [&](std::string_view key, JsonElement value) {
    visit(Dotted(key), value, std::string_view{});
  });
}

}  // namespace

bool JaegerTraces::IsTrace(JsonElement value) {
  return Has(value, "spans") && (Has(value, "processes") || Has(value, "traceID"));
}

bool JaegerTraces::IsRow(JsonElement value) {
  return Has(value, "traceID") && Has(value, "spanID");
}

void JaegerTraces::Process(JsonElement process, ForeignRows& out) {
  otlp::OtlpRows& rows = out.rows();
  rows.Resource();
  if (const std::string_view name = Text(process, "serviceName"); !name.empty())
    rows.ResourceAttribute("service.name", {WEFT_ATTR_STRING, name, 0});
  ForEachTag(process, [&](const std::string& key, JsonElement value, std::string_view type) {
    rows.ResourceAttribute(key == "hostname" ? "host.name" : std::string_view(key),
                           Typed(ValueOf(value, &made_), type));
  });
  rows.EndResource();
}

void JaegerTraces::AddTag(std::string_view key, JsonElement value, std::string_view type,
                          ForeignRows& out) {
  const otlp::Value typed = Typed(ValueOf(value, &made_), type);
  if (key == "span.kind") {
    span_.kind = SpanKindOf(typed.text);
    return;
  }
  const bool yes = typed.type == WEFT_ATTR_BOOL ? typed.bits != 0 : typed.text == "true";
  if (key == "error" && yes) span_.status = WEFT_STATUS_ERROR;
  if (key == "otel.status_code") {
    if (typed.text == "ERROR") span_.status = WEFT_STATUS_ERROR;
    if (typed.text == "OK") span_.status = WEFT_STATUS_OK;
  }
  if (typed.type == WEFT_ATTR_STRING && typed.text.data() != made_.data())
    for (const std::string_view names : {"peer.service", "server.address", "net.peer.name"})
      if (key == names && (peer_.empty() || key == "peer.service")) peer_ = typed.text;
  pairs_.push_back(out.rows().Pair(key, typed));
}

void JaegerTraces::ReadTags(JsonElement of, ForeignRows& out) {
  pairs_.clear();
  peer_ = {};
  ForEachTag(of, [&](const std::string& key, JsonElement value, std::string_view type) {
    AddTag(key, value, type, out);
  });
}

void JaegerTraces::ReadReferences(JsonElement span) {
  JsonElement parent;
  bool found = false, child = false;
  const auto own = [&](JsonElement reference) {
    const std::string_view trace = Text(reference, "traceID");
    return trace.empty() || TraceIdOf(trace) == span_.trace;
  };
  ForEach(span, "references", [&](JsonElement reference) {
    if (!own(reference) || child) return;
    const bool child_of = Text(reference, "refType") != "FOLLOWS_FROM";
    if (found && !child_of) return;
    parent = reference;
    found = true;
    child = child_of;
  });
  span_.parent_id = found ? SpanIdOf(Text(parent, "spanID")) : SpanIdOf(Text(span, "parentSpanID"));
  if (span_.parent_id == span_.span_id) span_.parent_id = 0;
  links_.clear();
  ForEach(span, "references", [&](JsonElement reference) {
    const uint64_t id = SpanIdOf(Text(reference, "spanID"));
    if (own(reference) && id == span_.parent_id) return;
    const std::string_view text = Text(reference, "traceID");
    const api::TraceId trace = text.empty() ? span_.trace : TraceIdOf(text);
    links_ += links_.empty() ? "[{\"traceId\":\"" : ",{\"traceId\":\"";
    AppendHex(links_, trace.hi);
    AppendHex(links_, trace.lo);
    links_ += "\",\"spanId\":\"";
    AppendHex(links_, id);
    links_ += "\"}";
  });
  if (!links_.empty()) links_.push_back(']');
}

void JaegerTraces::ReadLogs(JsonElement span) {
  events_.clear();
  ForEach(span, "logs", [&](JsonElement log) {
    uint64_t at = 0;
    Micros(log, "timestamp", &at);
    std::string_view name = "log";
    std::string attributes;
    ForEach(log, "fields", [&](JsonElement field) {
      JsonElement value;
      if (!IsObject(field) || field["value"].get(value) != simdjson::SUCCESS) return;
      const std::string_view key = Text(field, "key");
      if (key == "event" && value.is_string()) {
        name = Text(field, "value");
        return;
      }
      attributes += attributes.empty() ? "{" : ",";
      AppendJsonString(attributes, key);
      attributes.push_back(':');
      attributes += simdjson::minify(value);
    });
    events_ += events_.empty() ? "[{\"timeUnixNano\":\"" : ",{\"timeUnixNano\":\"";
    AppendUint(events_, at);
    events_ += "\",\"name\":";
    AppendJsonString(events_, name);
    if (!attributes.empty()) events_.append(",\"attributes\":").append(attributes).push_back('}');
    events_.push_back('}');
  });
  if (!events_.empty()) events_.push_back(']');
}

// Requires: the span's process is set.
void JaegerTraces::ReadSpan(JsonElement span, std::string_view trace_id, uint64_t line,
                            ForeignRows& out) {
  span_ = {};
  const std::string_view own = Text(span, "traceID");
  span_.trace = TraceIdOf(own.empty() ? trace_id : own);
  span_.span_id = SpanIdOf(Text(span, "spanID"));
  span_.name = Text(span, "operationName");
  uint64_t duration = 0;
  if (!Micros(span, "startTime", &span_.start_ns))
    return out.Malformed(line, "a span without startTime");
  Micros(span, "duration", &duration);
  // 0 would mean that there is none.
  span_.start_ns = std::max<uint64_t>(span_.start_ns, 1);
  span_.end_ns = span_.start_ns + duration;
  ReadReferences(span);
  ReadLogs(span);
  ReadTags(span, out);
  span_.events_json = events_;
  span_.links_json = links_;
  if (!out.Add(span_, peer_, line)) return;
  for (const uint32_t pair : pairs_) out.rows().Attribute(pair);
}

void JaegerTraces::Trace(JsonElement trace, uint64_t line, ForeignRows& out) {
  const std::string_view trace_id = Text(trace, "traceID");
  JsonElement processes;
  const bool shared = Has(trace, "processes") &&
                      trace["processes"].get(processes) == simdjson::SUCCESS && IsObject(processes);
  ForEach(trace, "spans", [&](JsonElement span) {
    JsonElement process;
    const std::string_view id = Text(span, "processID");
    if (shared && !id.empty() && processes[id].get(process) == simdjson::SUCCESS) {
      Process(process, out);
    } else if (IsObject(span) && span["process"].get(process) == simdjson::SUCCESS) {
      Process(process, out);
    } else {
      out.Service("");
    }
    ReadSpan(span, trace_id, line, out);
  });
}

void JaegerTraces::Row(JsonElement span, uint64_t line, ForeignRows& out) {
  JsonElement process;
  if (span["process"].get(process) == simdjson::SUCCESS)
    Process(process, out);
  else
    out.Service("");
  ReadSpan(span, {}, line, out);
}

}  // namespace weft::sources
