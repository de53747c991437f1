#include "sources/replay/zipkin_traces.h"

#include <algorithm>
#include <unordered_map>

#include "engine/base/json_text.h"

namespace weft::sources {
namespace {

std::string_view ServiceOf(JsonElement span, std::string_view endpoint) {
  JsonElement at;
  return span[endpoint].get(at) == simdjson::SUCCESS ? Text(at, "serviceName") : std::string_view{};
}

uint64_t KeyOf(const api::SpanTable& t, uint32_t row, uint64_t id) {
  return HashCombine(HashCombine(t.trace_hi[row], t.trace_lo[row]), id);
}

bool IsCall(const api::SpanTable& t, uint32_t row) {
  return t.kind[row] == WEFT_KIND_CLIENT || t.kind[row] == WEFT_KIND_PRODUCER;
}

}  // namespace

bool ZipkinTraces::IsSpan(JsonElement value) {
  return Has(value, "traceId") && Has(value, "id") && !Has(value, "spanId");
}

void ZipkinTraces::Span(JsonElement in, uint64_t line, ForeignRows& out, api::SpanTable& table) {
  otlp::Span span;
  span.trace = TraceIdOf(Text(in, "traceId"));
  span.span_id = SpanIdOf(Text(in, "id"));
  span.parent_id = SpanIdOf(Text(in, "parentId"));
  span.kind = SpanKindOf(Text(in, "kind"));
  span.name = Text(in, "name");
  uint64_t duration = 0;
  if (!Micros(in, "timestamp", &span.start_ns))
    return out.Malformed(line, "a span without timestamp");
  Micros(in, "duration", &duration);
  span.start_ns = std::max<uint64_t>(span.start_ns, 1);
  span.end_ns = span.start_ns + duration;
  if (Has(in, "tags") && Has(in["tags"].value_unsafe(), "error")) span.status = WEFT_STATUS_ERROR;
  events_.clear();
  ForEach(in, "annotations", [&](JsonElement annotation) {
    uint64_t at = 0;
    Micros(annotation, "timestamp", &at);
    events_ += events_.empty() ? "[{\"timeUnixNano\":\"" : ",{\"timeUnixNano\":\"";
    AppendUint(events_, at);
    events_ += "\",\"name\":";
    AppendJsonString(events_, Text(annotation, "value"));
    events_.push_back('}');
  });
  if (!events_.empty()) events_.push_back(']');
  span.events_json = events_;
  bool shared = false;
  if (in["shared"].get(shared) != simdjson::SUCCESS) shared = false;
  // The other end of a shared id is not its own parent.
  if (span.parent_id == span.span_id) span.parent_id = 0;
  const auto row = table.n();
  out.Service(ServiceOf(in, "localEndpoint"));
  if (!out.Add(span, ServiceOf(in, "remoteEndpoint"), line)) return;
  ForEachMember(in, "tags", [&](std::string_view key, JsonElement value) {
    out.Attribute(key, ValueOf(value, &made_));
  });
  first_ = std::min(first_, row);
  if (shared) shared_.push_back(row);
}

void ZipkinTraces::Separate(api::SpanTable& t) {
  if (!shared_.empty()) {
    std::unordered_map<uint64_t, uint32_t> calls;  // by trace and id
    for (uint32_t row = first_; row < t.n(); ++row)
      if (IsCall(t, row)) calls.try_emplace(KeyOf(t, row, t.span_id[row]), row);
    std::unordered_map<uint64_t, uint32_t> split;  // of a shared id: the call
    for (const uint32_t row : shared_) {
      const auto call = calls.find(KeyOf(t, row, t.span_id[row]));
      if (call != calls.end()) split.emplace(call->first, call->second);
    }
    for (const auto& [key, call] : split) {
      t.span_id[call] = api::SpanId(key, api::Side::kClient);
      t.exchange[call] = KeyOf(t, call, t.span_id[call]);
    }
    const auto below = [&](uint32_t row, uint64_t id) {
      const auto found = split.find(KeyOf(t, row, id));
      return found == split.end() ? WEFT_NONE : found->second;
    };
    // What the caller did below its call, and then the server's ends themselves.
    for (uint32_t row = first_; row < t.n(); ++row)
      if (const uint32_t call = below(row, t.parent_id[row]);
          call != WEFT_NONE && t.service[row] == t.service[call])
        t.parent_id[row] = t.span_id[call];
    for (const uint32_t row : shared_)
      if (const uint32_t call = below(row, t.span_id[row]); call != WEFT_NONE) {
        t.parent_id[row] = t.span_id[call];
        t.flags[row] &= ~uint32_t{WEFT_FLAG_LOCAL_ROOT};
      }
  }
  shared_.clear();
  first_ = UINT32_MAX;
}

// What the server did below its end is known by its service, as far as it is in the batch.
void ZipkinTraces::SeparateServers(api::SpanTable& t) {
  std::unordered_map<uint64_t, uint32_t> split;  // by trace and shared id: the server's end
  for (const uint32_t row : shared_) {
    const uint64_t key = KeyOf(t, row, t.span_id[row]);
    if (!split.emplace(key, row).second) continue;
    t.parent_id[row] = t.span_id[row];
    t.span_id[row] = api::SpanId(key, api::Side::kServer);
    t.exchange[row] = KeyOf(t, row, t.span_id[row]);
    t.flags[row] &= ~uint32_t{WEFT_FLAG_LOCAL_ROOT};
  }
  for (uint32_t row = first_; !split.empty() && row < t.n(); ++row) {
    const auto found = split.find(KeyOf(t, row, t.parent_id[row]));
    if (found != split.end() && found->second != row && t.service[row] == t.service[found->second])
      t.parent_id[row] = t.span_id[found->second];
  }
  shared_.clear();
  first_ = UINT32_MAX;
}

}  // namespace weft::sources
