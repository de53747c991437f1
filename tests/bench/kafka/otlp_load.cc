#include "tests/bench/kafka/otlp_load.h"

#include <chrono>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

namespace weft::bench {
namespace {

constexpr uint32_t kSpansPerTrace = 10;
constexpr uint32_t kSpansPerMessage = 500;

// Field numbers are those of opentelemetry-proto 1.x (trace/v1, common/v1).
void Attribute(protozero::pbf_writer& to, uint32_t field, std::string_view key,
               std::string_view text) {
  protozero::pbf_writer pair(to, field);
  pair.add_string(1, key.data(), key.size());
  protozero::pbf_writer value(pair, 2);
  value.add_string(1, text.data(), text.size());
}

void Attribute(protozero::pbf_writer& to, uint32_t field, std::string_view key, int64_t number) {
  protozero::pbf_writer pair(to, field);
  pair.add_string(1, key.data(), key.size());
  protozero::pbf_writer value(pair, 2);
  value.add_int64(3, number);
}

void Bytes(protozero::pbf_writer& to, uint32_t field, uint64_t high, uint64_t low, size_t size) {
  char bytes[16];
  for (size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(low >> (56 - 8 * i));
  }
  to.add_bytes(field, bytes, size);
}

}  // namespace

OtlpLoad::OtlpLoad(uint64_t spans)
    : traces_(spans / kSpansPerTrace),
      now_ns_(std::chrono::duration_cast<std::chrono::nanoseconds>(
                  std::chrono::system_clock::now().time_since_epoch())
                  .count()) {}

std::string OtlpLoad::Next() {
  while (messages_.empty()) {
    Trace();
    if (--traces_ == 0)
      for (size_t service = 0; service < kServices; ++service) Finish(service);
  }
  std::string message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

void OtlpLoad::Trace() {
  const uint64_t high = random_(), low = random_();
  const bool error = random_() % 100 == 0;
  std::exponential_distribution<double> length(1 / 20e6);
  std::vector<uint64_t> ids;
  now_ns_ += 20'000;
  for (uint32_t i = 0; i < kSpansPerTrace; ++i) {
    const size_t service = random_() % kServices;
    const uint64_t id = random_();
    const int64_t start = now_ns_ + i * 300'000;
    const int64_t end = start + 1'000'000 + static_cast<int64_t>(length(random_));
    protozero::pbf_writer scope(batches_[service].spans);
    protozero::pbf_writer span(scope, 2);  // ScopeSpans.spans
    Bytes(span, 1, high, low, 16);
    Bytes(span, 2, id, 0, 8);
    if (i > 0) Bytes(span, 4, ids[random_() % ids.size()], 0, 8);
    span.add_string(5, fmt::format("GET /api/{}", random_() % 20));
    span.add_enum(6, 2);  // server
    span.add_fixed64(7, static_cast<uint64_t>(start));
    span.add_fixed64(8, static_cast<uint64_t>(end));
    Attribute(span, 9, "http.request.method", "GET");
    Attribute(span, 9, "url.path", fmt::format("/api/{}/{}", random_() % 20, random_() % 100'000));
    Attribute(span, 9, "http.route", "/api/{id}");
    Attribute(span, 9, "server.address", "10.0.0.1");
    Attribute(span, 9, "client.address", fmt::format("10.0.1.{}", random_() % 250));
    Attribute(span, 9, "user_agent.original", "python-requests/2.31");
    Attribute(span, 9, "network.protocol.version", "1.1");
    Attribute(span, 9, "url.scheme", "http");
    Attribute(span, 9, "http.response.status_code", int64_t{200});
    Attribute(span, 9, "server.port", int64_t{8080});
    if (error && i == kSpansPerTrace - 1) {
      protozero::pbf_writer status(span, 15);
      status.add_string(2, "boom");
      status.add_enum(3, 2);
    }
    ids.push_back(id);
    if (++batches_[service].count == kSpansPerMessage) {
      span.commit();
      Finish(service);
    }
  }
}

void OtlpLoad::Finish(size_t service) {
  Batch& batch = batches_[service];
  if (batch.count == 0) return;
  std::string message;
  {
    protozero::pbf_writer request(message);
    protozero::pbf_writer resource_spans(request, 1);
    {
      protozero::pbf_writer resource(resource_spans, 1);
      Attribute(resource, 1, "service.name", fmt::format("svc-{}", service));
      Attribute(resource, 1, "host.name", "node-1");
      Attribute(resource, 1, "k8s.pod.name", "pod-abc-1");
    }
    resource_spans.add_message(2, batch.spans);
  }
  messages_.push_back(std::move(message));
  spans_ += batch.count;
  batch = {};
}

}  // namespace weft::bench
