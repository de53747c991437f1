#include "sources/otlp/otlp_json.h"

#include <bit>
#include <charconv>
#include <string>
#include <type_traits>

#include <simdjson.h>

#include "engine/base/json_text.h"
#include "sources/otlp/otlp_rows.h"

namespace weft::otlp {
namespace {

namespace dom = simdjson::dom;

// Beyond it simdjson keeps the memory of the largest document it has met.
constexpr size_t kKeepCapacity = size_t{4} << 20;

// Of whatever is absent or of another type: nothing.
std::string_view Text(dom::element object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

template <typename Visit>
void ForEach(dom::element object, std::string_view key, Visit visit) {
  dom::array list;
  if (object[key].get(list) != simdjson::SUCCESS) return;
  for (const dom::element one : list) visit(one);
}

// Numbers above 2^53 come as text; either is accepted for any.
template <typename T>
T Number(dom::element object, std::string_view key) {
  dom::element value;
  if (object[key].get(value) != simdjson::SUCCESS) return 0;
  if (uint64_t number = 0; value.get(number) == simdjson::SUCCESS) return static_cast<T>(number);
  if (int64_t number = 0; value.get(number) == simdjson::SUCCESS) return static_cast<T>(number);
  const double lowest = std::is_signed_v<T> ? -1e15 : 0;
  if (double number = 0;
      value.get(number) == simdjson::SUCCESS && number >= lowest && number < 1e15)
    return static_cast<T>(number);
  T number = 0;
  if (std::string_view text; value.get(text) == simdjson::SUCCESS)
    std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

uint64_t Enum(dom::element object, std::string_view key,
              std::initializer_list<std::string_view> names) {
  uint64_t number = 0;
  for (const std::string_view name : names) {
    if (Text(object, key) == name) return number;
    ++number;
  }
  return Number<uint64_t>(object, key);
}

bool Hex(std::string_view digits, uint64_t* out) {
  *out = 0;
  const auto [rest, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), *out, 16);
  return error == std::errc() && rest == digits.data() + digits.size() && digits[0] != '-';
}

bool ReadSpanId(std::string_view digits, uint64_t* id) {
  *id = 0;
  return digits.size() == 16 && Hex(digits, id);
}

bool ReadTraceId(std::string_view digits, api::TraceId* id) {
  *id = {};
  return digits.size() == 32 && Hex(digits.substr(0, 16), &id->hi) &&
         Hex(digits.substr(16), &id->lo);
}

void AppendValue(std::string& out, dom::element any, int depth);

void AppendMembers(std::string& out, dom::element object, std::string_view list, int depth) {
  out.push_back('{');
  ForEach(object, list, [&](dom::element pair) {
    if (out.back() != '{') out.push_back(',');
    AppendJsonString(out, Text(pair, "key"));
    out.push_back(':');
    dom::element value;
    if (pair["value"].get(value) == simdjson::SUCCESS)
      AppendValue(out, value, depth);
    else
      out += "null";
  });
  out.push_back('}');
}

void AppendList(std::string& out, dom::element object, int depth) {
  out.push_back('[');
  ForEach(object, "values", [&](dom::element value) {
    if (out.back() != '[') out.push_back(',');
    AppendValue(out, value, depth);
  });
  out.push_back(']');
}

void AppendValue(std::string& out, dom::element any, int depth) {
  if (depth >= kMaxDepth) {
    out += "null";
    return;
  }
  dom::element value;
  if (any["stringValue"].get(value) == simdjson::SUCCESS) {
    AppendJsonString(out, Text(any, "stringValue"));
  } else if (any["intValue"].get(value) == simdjson::SUCCESS) {
    AppendInt(out, Number<int64_t>(any, "intValue"));
  } else if (any["arrayValue"].get(value) == simdjson::SUCCESS) {
    AppendList(out, value, depth + 1);
  } else if (any["kvlistValue"].get(value) == simdjson::SUCCESS) {
    AppendMembers(out, value, "values", depth + 1);
  } else if (any["bytesValue"].get(value) == simdjson::SUCCESS) {
    AppendJsonString(out, Text(any, "bytesValue"));  // base64 already
  } else if (bool flag = false; any["boolValue"].get(flag) == simdjson::SUCCESS) {
    out += flag ? "true" : "false";
  } else if (double number = 0; any["doubleValue"].get(number) == simdjson::SUCCESS) {
    AppendDouble(out, number);
  } else {
    out += "null";
  }
}

// Text that had to be made goes to *made.
Value ReadValue(dom::element any, std::string* made) {
  dom::element value;
  if (std::string_view text; any["stringValue"].get(text) == simdjson::SUCCESS)
    return {WEFT_ATTR_STRING, text, 0};
  if (any["intValue"].get(value) == simdjson::SUCCESS)
    return {WEFT_ATTR_INT, {}, std::bit_cast<uint64_t>(Number<int64_t>(any, "intValue"))};
  if (bool flag = false; any["boolValue"].get(flag) == simdjson::SUCCESS)
    return {WEFT_ATTR_BOOL, {}, flag ? 1u : 0u};
  if (double number = 0; any["doubleValue"].get(number) == simdjson::SUCCESS)
    return {WEFT_ATTR_DOUBLE, {}, std::bit_cast<uint64_t>(number)};
  // NaN and infinities are text.
  if (std::string_view text; any["doubleValue"].get(text) == simdjson::SUCCESS)
    return {WEFT_ATTR_STRING, text, 0};
  if (std::string_view text; any["bytesValue"].get(text) == simdjson::SUCCESS)
    return {WEFT_ATTR_STRING, text, 0};
  made->clear();
  if (any["arrayValue"].get(value) == simdjson::SUCCESS ||
      any["kvlistValue"].get(value) == simdjson::SUCCESS)
    AppendValue(*made, any, 0);
  return {WEFT_ATTR_STRING, *made, 0};
}

void AppendAttributes(std::string& out, dom::element object) {
  dom::array list;
  if (object["attributes"].get(list) != simdjson::SUCCESS || list.begin() == list.end()) return;
  out += ",\"attributes\":";
  AppendMembers(out, object, "attributes", 1);
}

std::string EventsJson(dom::element span) {
  std::string out;
  ForEach(span, "events", [&](dom::element event) {
    out += out.empty() ? "[{\"timeUnixNano\":\"" : ",{\"timeUnixNano\":\"";
    AppendUint(out, Number<uint64_t>(event, "timeUnixNano"));
    out += "\",\"name\":";
    AppendJsonString(out, Text(event, "name"));
    AppendAttributes(out, event);
    out.push_back('}');
  });
  if (!out.empty()) out.push_back(']');
  return out;
}

std::string LinksJson(dom::element span) {
  std::string out;
  ForEach(span, "links", [&](dom::element link) {
    api::TraceId trace;
    uint64_t id = 0;
    ReadTraceId(Text(link, "traceId"), &trace);
    ReadSpanId(Text(link, "spanId"), &id);
    out += out.empty() ? "[{\"traceId\":\"" : ",{\"traceId\":\"";
    AppendHex(out, trace.hi);
    AppendHex(out, trace.lo);
    out += "\",\"spanId\":\"";
    AppendHex(out, id);
    out.push_back('"');
    if (const std::string_view state = Text(link, "traceState"); !state.empty()) {
      out += ",\"traceState\":";
      AppendJsonString(out, state);
    }
    AppendAttributes(out, link);
    out.push_back('}');
  });
  if (!out.empty()) out.push_back(']');
  return out;
}

}  // namespace

class JsonDecoder::Impl {
 public:
  Result<Decoded> Decode(std::string_view message, api::SpanTable* out) {
    auto decoded = Parse(message, out);
    if (parser_.capacity() > kKeepCapacity) parser_ = dom::parser();
    return decoded;
  }

 private:
  Result<Decoded> Parse(std::string_view message, api::SpanTable* out) {
    const uint64_t before = out->n();
    dom::element root;
    if (const auto error = parser_.parse(message.data(), message.size()).get(root))
      return Fail(Code::kCorrupt, std::string("OTLP JSON: ") + simdjson::error_message(error));
    dom::array resources;
    if (root["resourceSpans"].get(resources) != simdjson::SUCCESS)
      return Fail(Code::kCorrupt, "OTLP JSON: no list resourceSpans");
    OtlpRows rows(*out);
    for (const dom::element resource : resources) ResourceSpans(resource, rows);
    return Decoded{out->n() - before, rows.invalid()};
  }

  void ResourceSpans(dom::element all, OtlpRows& rows) {
    rows.Resource();
    dom::element resource;
    if (all["resource"].get(resource) == simdjson::SUCCESS)
      ForEach(resource, "attributes", [&](dom::element pair) {
        dom::element value;
        if (pair["value"].get(value) == simdjson::SUCCESS)
          rows.ResourceAttribute(Text(pair, "key"), ReadValue(value, &made_));
      });
    rows.EndResource();
    ForEach(all, "scopeSpans", [&](dom::element scope_spans) {
      dom::element scope;
      if (scope_spans["scope"].get(scope) == simdjson::SUCCESS)
        rows.Scope(Text(scope, "name"), Text(scope, "version"));
      else
        rows.Scope({}, {});
      ForEach(scope_spans, "spans", [&](dom::element span) { ReadSpan(span, rows); });
    });
  }

  void ReadSpan(dom::element in, OtlpRows& rows) {
    Span span;
    const std::string_view parent = Text(in, "parentSpanId");
    span.ids_valid = ReadTraceId(Text(in, "traceId"), &span.trace) &&
                     ReadSpanId(Text(in, "spanId"), &span.span_id) &&
                     (parent.empty() || ReadSpanId(parent, &span.parent_id));
    span.name = Text(in, "name");
    span.trace_state = Text(in, "traceState");
    span.kind = Enum(in, "kind",
                     {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                      "SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"});
    span.start_ns = Number<uint64_t>(in, "startTimeUnixNano");
    span.end_ns = Number<uint64_t>(in, "endTimeUnixNano");
    span.dropped_attributes = Number<uint32_t>(in, "droppedAttributesCount");
    span.dropped_events = Number<uint32_t>(in, "droppedEventsCount");
    span.dropped_links = Number<uint32_t>(in, "droppedLinksCount");
    span.trace_flags = Number<uint32_t>(in, "flags");
    dom::element status;
    if (in["status"].get(status) == simdjson::SUCCESS) {
      span.status_message = Text(status, "message");
      span.status =
          Enum(status, "code", {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"});
    }
    const std::string events = EventsJson(in), links = LinksJson(in);
    span.events_json = events;
    span.links_json = links;
    if (!rows.AddSpan(span)) return;
    ForEach(in, "attributes", [&](dom::element pair) {
      dom::element value;
      if (pair["value"].get(value) == simdjson::SUCCESS)
        rows.Attribute(rows.Pair(Text(pair, "key"), ReadValue(value, &made_)));
    });
  }

  dom::parser parser_;
  std::string made_;
};

JsonDecoder::JsonDecoder() : impl_(std::make_unique<Impl>()) {}
JsonDecoder::~JsonDecoder() = default;

Result<Decoded> JsonDecoder::Decode(std::string_view message, api::SpanTable* out) {
  return impl_->Decode(message, out);
}

}  // namespace weft::otlp
