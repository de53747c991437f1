// Stage 2: bytes per buffered span, and spans per CPU second from the log through assembly, close
// and gather to (nothing).
//
//   build/release/tests/bench/trace_bench > build/bench/trace.csv
//
// Traces of ten spans with ten attributes each, the mix of sqlite_bench: eight services, twenty
// operations each, a path with one of 100,000 ids, 250 clients. The records hold a thousand spans,
// a trace's spans come in two records a second apart, as stage 1 would emit them. Bytes are those
// of the heap, encoded records and all tables included.
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include "engine/api/codec.h"
#include "engine/api/ids.h"
#include "engine/base/clock.h"
#include "engine/trace/trace_partition.h"

namespace {

using namespace weft;

constexpr uint32_t kSpansPerTrace = 10;
constexpr uint32_t kTracesPerRecord = 100;
constexpr uint32_t kRecords = 600;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Generator {
 public:
  // The children of these traces, or their roots.
  transport::Record Record(uint64_t number, bool roots) {
    api::SpanTable t;
    for (uint32_t i = 0; i < 8; ++i)
      t.AddProcess(i + 1, "node-1", fmt::format("service-{}", i), "/usr/bin/python3.11", 100 + i);
    for (uint32_t k = 0; k < kTracesPerRecord; ++k) {
      const uint64_t trace = number * kTracesPerRecord + k + 1;
      if (roots) {
        Span(t, trace, 0);
      } else {
        for (uint32_t i = 1; i < kSpansPerTrace; ++i) Span(t, trace, i);
      }
    }
    transport::Record record;
    record.stream = transport::Stream::kSpans;
    record.type = transport::RecordType::kSpanBatch;
    record.payload = api::EncodeSpans(t, 0, 0);
    return record;
  }

 private:
  uint64_t Pick(uint64_t below) { return random_() % below; }

  void Span(api::SpanTable& t, uint64_t trace, uint32_t i) {
    const uint32_t row = t.AddRow();
    const auto service = static_cast<uint32_t>(Mix64(trace + i) % 8);
    t.trace_hi[row] = Mix64(trace);
    t.trace_lo[row] = Mix64(Mix64(trace));
    t.span_id[row] = Mix64(trace * 100 + i);
    t.parent_id[row] = i == 0 ? 0 : Mix64(trace * 100 + i / 2);
    t.exchange[row] = random_();
    t.connection[row] = Pick(1000);
    t.wire_id[row] = random_();
    t.kind[row] = i % 2 == 0 ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
    t.protocol[row] = WEFT_PROTOCOL_HTTP1;
    t.start_ns[row] = static_cast<int64_t>(trace * 1000 + i);
    t.end_ns[row] = t.start_ns[row] + 1000;
    t.process[row] = service;
    t.service[row] = t.processes.service[service];
    t.operation[row] = t.Intern(fmt::format("GET /op-{}/{{id}}", Pick(20)));
    t.local_address[row] = t.Intern(fmt::format("10.0.0.{}", service));
    t.remote_address[row] = t.Intern(fmt::format("10.0.1.{}", Pick(250)));
    t.local_port[row] = 80;
    t.remote_port[row] = static_cast<uint16_t>(Pick(60000));
    t.request_tid[row] = static_cast<uint32_t>(Pick(1000));
    t.request_bytes[row] = Pick(4000);
    t.response_bytes[row] = Pick(4000);
    t.confidence[row] = 1;
    t.evidence[row] = WEFT_EVIDENCE_THREAD;
    t.Attribute("http.request.method", "GET");
    t.Attribute("http.response.status_code", int64_t{200});
    t.Attribute("url.path", fmt::format("/op/{}", Pick(100'000)));
    t.Attribute("url.scheme", "http");
    t.Attribute("server.address", fmt::format("service-{}.shop.svc", service));
    t.Attribute("server.port", int64_t{80});
    t.Attribute("client.address", fmt::format("10.0.1.{}", Pick(250)));
    t.Attribute("network.protocol.version", "1.1");
    t.Attribute("user_agent.original", fmt::format("curl/7.{}", Pick(20)));
    t.Attribute("weft.new_connection", Pick(2) == 0);
  }

  std::mt19937_64 random_{1};
};

size_t HeapBytes() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

void Print(const char* name, double value, const char* unit, const char* aim) {
  std::printf("%s,%.1f,%s,,,%s\n", name, value, unit, aim);
}

}  // namespace

int main() {
  std::printf("name,value,unit,baseline,ratio,aim\n");
  Metrics metrics;
  const auto log = NullLogger();
  trace::TraceConfig config;
  config.max_bytes = size_t{4} << 30;
  constexpr double kSpans = double{kRecords} * kTracesPerRecord * kSpansPerTrace;
  size_t encoded = 0;
  {
    trace::TracePartition partition(config, {}, {}, metrics, *log);
    Generator generator;
    const size_t before = HeapBytes();
    uint64_t offset = 0;
    for (uint32_t i = 0; i < kRecords; ++i)
      for (bool roots : {false, true}) {
        transport::Record record = generator.Record(i, roots);
        record.offset = offset++;
        record.append_ns = i;
        encoded += record.payload->bytes().size();
        partition.Consume(record);
      }
    Print("trace.bytes_per_buffered_span", static_cast<double>(HeapBytes() - before) / kSpans, "B",
          "<=250");
    Print("trace.encoded_bytes_per_span", static_cast<double>(encoded) / kSpans, "B", "");
  }
  double best = 0;
  for (int run = 0; run < 3; ++run) {
    trace::TracePartition partition(config, {}, {}, metrics, *log);
    Generator generator;
    std::vector<transport::Record> records;
    for (uint32_t i = 0; i < kRecords; ++i)
      for (bool roots : {false, true}) records.push_back(generator.Record(i, roots));
    api::SpanTable none;
    const double begin = CpuSeconds();
    uint64_t exported = 0;
    for (size_t i = 0; i < records.size(); ++i) {
      records[i].offset = 2 * i;
      records[i].append_ns = static_cast<int64_t>(i) * 10 * kMillisecond;
      partition.Consume(records[i]);
      transport::Record beat = records[i];
      beat.offset = 2 * i + 1;
      beat.payload = api::EncodeSpans(none, 0, records[i].append_ns - 2 * kSecond);
      partition.Consume(beat);
      records[i].payload.reset();
      (void)partition.Tick(0, false);
      for (const auto& batch : partition.TakeExports()) {
        exported += batch->spans.n();
        partition.Acknowledge(batch->number);
      }
    }
    best = std::max(best, static_cast<double>(exported) / (CpuSeconds() - begin));
  }
  Print("trace.spans_per_core_second", best, "spans/s", ">=1000000");
}
