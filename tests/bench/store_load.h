// StoreLoad: batches of made-up traces for benchmarks of the store.
//
// Traces of ten spans with ten attributes each, the same mix as a shop behind a proxy makes: eight
// services, twenty operations each, a path with one of 100,000 ids, 250 clients. The same seed
// gives the same batches. One thread.
#pragma once

#include <cstdint>
#include <random>

#include <fmt/format.h>

#include "tests/support/trace_batch.h"

namespace weft::bench {

inline constexpr uint32_t kSpansPerTrace = 10;

struct LoadShape {
  bool connection_per_request = false;
  uint32_t traces_per_batch = 2'000;
  int64_t step_ns = 20'000;  // from the begin of a trace to that of the next
  int64_t start_ns = 1'700'000'000'000'000'000;
  uint64_t seed = 1;
};

class StoreLoad {
 public:
  explicit StoreLoad(LoadShape shape) : shape_(shape), random_(shape.seed), now_(shape.start_ns) {}

  test::TraceBatch Batch() {
    test::TraceBatch batch;
    for (uint32_t t = 0; t < shape_.traces_per_batch; ++t) Trace(batch);
    return batch;
  }

  int64_t now_ns() const { return now_; }

 private:
  uint64_t Pick(uint64_t below) { return random_() % below; }

  void Trace(test::TraceBatch& batch) {
    batch.BeginTrace(random_(), random_());
    now_ += shape_.step_ns;
    uint64_t ids[kSpansPerTrace];
    const bool failed = Pick(100) == 0;
    for (uint32_t j = 0; j < kSpansPerTrace; ++j) {
      ids[j] = random_() | 1;
      const bool client = j % 2 == 1;
      const auto service = fmt::format("svc-{}", Pick(8));
      const int64_t start = now_ + j * 300'000;
      const int64_t end = start + 1'000'000 + static_cast<int64_t>(delay_(random_));
      const uint32_t row = batch.AddSpan(
          ids[j], j == 0 ? 0 : ids[Pick(j)], client ? WEFT_KIND_CLIENT : WEFT_KIND_SERVER, service,
          fmt::format("GET /api/{}/{{id}}", Pick(20)), start, end,
          failed && j == kSpansPerTrace - 1 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
      Facts(batch.table, row);
      Attributes(batch.table, failed && j == kSpansPerTrace - 1);
    }
  }

  // Sixteen kept-alive connections per edge.
  void Facts(api::SpanTable& table, uint32_t row) {
    const uint64_t pooled = Pick(16) * 64 + table.process[row] * 2 + table.kind[row] % 2;
    const uint64_t connection = shape_.connection_per_request ? ++connections_ : pooled;
    table.connection[row] = connection * 0x9e3779b97f4a7c15ULL;
    table.wire_id[row] = random_();
    table.protocol[row] = WEFT_PROTOCOL_HTTP1;
    table.local_address[row] = table.Intern("10.0.0.1");
    table.remote_address[row] = table.Intern(fmt::format("10.0.0.{}", connection % 20));
    table.local_port[row] = 8080;
    table.remote_port[row] = static_cast<uint16_t>(32'768 + connection % 28'000);
    table.fd[row] = static_cast<int32_t>(5 + connection % 100);
    table.request_tid[row] = static_cast<uint32_t>(4'000 + Pick(32));
    table.response_tid[row] = table.request_tid[row];
    table.request_bytes[row] = 200 + Pick(400);
    table.response_bytes[row] = 300 + Pick(4'000);
    table.confidence[row] = Pick(2) ? 1.0f : static_cast<float>(Pick(1'000)) / 1'000.0f;
    table.evidence[row] = WEFT_EVIDENCE_WIRE;
  }

  void Attributes(api::SpanTable& table, bool failed) {
    table.Attribute("http.request.method", Pick(10) == 0 ? "POST" : "GET");
    table.Attribute("url.path", fmt::format("/api/{}/{}", Pick(20), Pick(100'000)));
    table.Attribute("http.route", "/api/{id}");
    table.Attribute("server.address", "10.0.0.1");
    table.Attribute("client.address", fmt::format("10.0.1.{}", Pick(250)));
    table.Attribute("user_agent.original", "python-requests/2.31");
    table.Attribute("network.protocol.version", "1.1");
    table.Attribute("url.scheme", "http");
    table.Attribute("http.response.status_code", int64_t{failed ? 500 : 200});
    table.Attribute("server.port", int64_t{8080});
  }

  LoadShape shape_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> delay_{1.0 / 20e6};
  int64_t now_;
  uint64_t connections_ = 0;
};

}  // namespace weft::bench
