#include "sources/otlp/otlp_rows.h"

#include <algorithm>

#include "engine/base/hash.h"

namespace weft::otlp {
namespace {

constexpr std::string_view kUnknownService = "unknown_service";  // OpenTelemetry's default

// What tells one instance of a service from another.
bool Identifies(std::string_view key) {
  for (const std::string_view one :
       {"service.instance.id", "service.namespace", "host.name", "host.id", "process.pid",
        "container.id", "k8s.pod.name", "k8s.pod.uid"})
    if (key == one) return true;
  return false;
}

}  // namespace

OtlpRows::OtlpRows(api::SpanTable& out) : out_(out) {
  for (const uint64_t id : out.processes.process_id)
    known_.try_emplace(id, static_cast<uint32_t>(known_.size()));
}

void OtlpRows::Resource() {
  identity_ = 0;
  service_ = host_ = executable_ = pid_ = 0;
  resource_attributes_.clear();
}

void OtlpRows::ResourceAttribute(std::string_view key, const Value& value) {
  const bool text = value.type == WEFT_ATTR_STRING;
  if (text && Identifies(key)) identity_ = HashCombine(identity_, HashText(value.text));
  if (!text && Identifies(key)) identity_ = HashCombine(identity_, value.bits);
  if (text && key == "service.name") {
    service_ = out_.Intern(value.text);
  } else if (text && key == "host.name") {
    host_ = out_.Intern(value.text);
  } else if (text && key == "process.executable.path") {
    executable_ = out_.Intern(value.text);
  } else if (key == "process.pid" && value.type == WEFT_ATTR_INT && value.bits <= UINT32_MAX) {
    pid_ = static_cast<uint32_t>(value.bits);
  } else {
    resource_attributes_.push_back(Pair(key, value));
  }
}

void OtlpRows::EndResource() {
  if (service_ == 0) service_ = out_.Intern(kUnknownService);
  const uint64_t id = HashCombine(identity_, HashText(out_.strings.Text(service_)));
  api::ProcessTable& processes = out_.processes;
  const auto [known, made] =
      known_.try_emplace(id, static_cast<uint32_t>(processes.process_id.size()));
  process_ = known->second;
  if (!made) return;
  processes.process_id.push_back(id);
  processes.host.push_back(host_);
  processes.service.push_back(service_);
  processes.executable.push_back(executable_);
  processes.pid.push_back(pid_);
  processes.attr.insert(processes.attr.end(), resource_attributes_.begin(),
                        resource_attributes_.end());
  processes.attr_offset.push_back(static_cast<uint32_t>(processes.attr.size()));
}

void OtlpRows::Scope(std::string_view name, std::string_view version) {
  scope_name_ = name;
  scope_version_ = version;
}

uint32_t OtlpRows::Pair(std::string_view key, const Value& value) {
  const uint32_t name = out_.Intern(key);
  return out_.pairs.Intern(name, value.type,
                           value.type == WEFT_ATTR_STRING ? out_.Intern(value.text) : value.bits);
}

bool OtlpRows::AddSpan(const Span& span) {
  const bool valid = span.ids_valid && span.trace.valid() && span.span_id != 0 &&
                     span.start_ns != 0 && span.start_ns <= INT64_MAX && span.end_ns <= INT64_MAX;
  if (!valid) {
    ++invalid_;
    return false;
  }
  const uint32_t row = out_.AddRow();
  out_.trace_hi[row] = span.trace.hi;
  out_.trace_lo[row] = span.trace.lo;
  out_.span_id[row] = span.span_id;
  out_.parent_id[row] = span.parent_id;
  out_.exchange[row] = HashCombine(HashCombine(span.trace.hi, span.trace.lo), span.span_id);
  out_.start_ns[row] = static_cast<int64_t>(span.start_ns);
  out_.end_ns[row] = static_cast<int64_t>(std::max(span.start_ns, span.end_ns));
  out_.kind[row] = span.kind >= WEFT_KIND_INTERNAL && span.kind <= WEFT_KIND_CONSUMER
                       ? static_cast<uint8_t>(span.kind)
                       : uint8_t{WEFT_KIND_INTERNAL};
  out_.status[row] = span.status <= WEFT_STATUS_ERROR ? static_cast<uint8_t>(span.status)
                                                      : uint8_t{WEFT_STATUS_UNSET};
  out_.flags[row] = WEFT_FLAG_REPORTED | (span.parent_id == 0 ? WEFT_FLAG_LOCAL_ROOT : 0);
  if ((span.trace_flags & 1) != 0) out_.flags[row] |= WEFT_FLAG_SAMPLED;
  out_.process[row] = process_;
  out_.service[row] = service_;
  out_.operation[row] = span.operation != 0 ? span.operation : out_.Intern(span.name);
  AddText("otel.scope.name", scope_name_);
  AddText("otel.scope.version", scope_version_);
  AddText("otel.status_description", span.status_message);
  AddText("w3c.tracestate", span.trace_state);
  AddText("otel.events", span.events_json);
  AddText("otel.links", span.links_json);
  Number("otel.dropped_attributes_count", span.dropped_attributes);
  Number("otel.dropped_events_count", span.dropped_events);
  Number("otel.dropped_links_count", span.dropped_links);
  return true;
}

void OtlpRows::AddText(std::string_view key, std::string_view value) {
  if (!value.empty()) out_.StaticAttribute(key, value);
}

void OtlpRows::Number(std::string_view key, uint64_t value) {
  if (value != 0) out_.StaticAttribute(key, static_cast<int64_t>(value));
}

}  // namespace weft::otlp
