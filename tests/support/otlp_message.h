// OTLP messages for tests, written by protozero's own writer with the field numbers of
// opentelemetry-proto, so that neither our decoder nor our encoder is its own judge.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <protozero/pbf_writer.hpp>

namespace weft::test {

inline std::string Bytes(uint64_t value) {
  std::string out(8, '\0');
  for (size_t i = 8; i-- > 0; value >>= 8) out[i] = static_cast<char>(value);
  return out;
}

inline std::string AnyText(std::string_view text) {
  std::string out;
  protozero::pbf_writer(out).add_string(1, text.data(), text.size());
  return out;
}
inline std::string AnyInt(int64_t value) {
  std::string out;
  protozero::pbf_writer(out).add_int64(3, value);
  return out;
}
inline std::string KeyValue(std::string_view key, const std::string& any) {
  std::string out;
  protozero::pbf_writer writer(out);
  writer.add_string(1, key.data(), key.size());
  writer.add_message(2, any);
  return out;
}
inline std::string KeyText(std::string_view key, std::string_view text) {
  return KeyValue(key, AnyText(text));
}

struct OtlpSpanFields {
  uint64_t trace_hi = 1, trace_lo = 2, span_id = 3, parent_id = 0;
  std::string name = "GET /";
  int kind = 2;
  uint64_t start_ns = 1'700'000'000'000'000'000, end_ns = 1'700'000'000'500'000'000;
};

// Further fields may be added by a writer on the result.
inline std::string OtlpSpan(const OtlpSpanFields& f) {
  std::string out;
  protozero::pbf_writer writer(out);
  writer.add_bytes(1, Bytes(f.trace_hi) + Bytes(f.trace_lo));
  writer.add_bytes(2, Bytes(f.span_id));
  if (f.parent_id != 0) writer.add_bytes(4, Bytes(f.parent_id));
  writer.add_string(5, f.name);
  writer.add_enum(6, f.kind);
  writer.add_fixed64(7, f.start_ns);
  writer.add_fixed64(8, f.end_ns);
  return out;
}

// One message with one resource (service.name) and one scope.
inline std::string OtlpMessage(std::string_view service, const std::vector<std::string>& spans,
                               std::string_view scope_name = {}) {
  std::string resource, scope, scope_spans, resource_spans, out;
  protozero::pbf_writer(resource).add_message(1, KeyText("service.name", service));
  if (!scope_name.empty())
    protozero::pbf_writer(scope).add_string(1, scope_name.data(), scope_name.size());
  {
    protozero::pbf_writer writer(scope_spans);
    if (!scope.empty()) writer.add_message(1, scope);
    for (const std::string& span : spans) writer.add_message(2, span);
  }
  {
    protozero::pbf_writer writer(resource_spans);
    writer.add_message(1, resource);
    writer.add_message(2, scope_spans);
  }
  protozero::pbf_writer(out).add_message(1, resource_spans);
  return out;
}

}  // namespace weft::test
