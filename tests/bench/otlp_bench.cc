// What OTLP from programs costs until it is decided: CPU ns per span of decoding, of making records
// for stage 2, and of stage 2 with the policies that everybody has.
//
//   build/release/tests/bench/otlp_bench [SPANS] > build/bench/otlp.csv
//
// The messages are those of `make bench-peers` (kafka/otlp_load.h): 500 spans each, ten attributes
// a span, traces of ten spans over eight services; two partitions. For instructions a span:
// valgrind --tool=callgrind.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/resource.h>

#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/trace/trace_partition.h"
#include "sources/otlp/otlp_proto.h"
#include "sources/span_records.h"
#include "tests/bench/kafka/otlp_load.h"

namespace {

using namespace weft;

constexpr uint32_t kPartitions = 2;
constexpr char kPolicies[] =
    R"({"policies":[)"
    R"({"name":"e","type":"status_code","status_code":{"status_codes":["ERROR"]}},)"
    R"({"name":"s","type":"latency","latency":{"threshold_ms":250}},)"
    R"({"name":"p","type":"string_attribute","string_attribute":{"key":"url.path",)"
    R"("values":["^/api/3/123$"],"enabled_regex_matching":true}},)"
    R"({"name":"a","type":"string_attribute","string_attribute":{"key":"user_agent.original",)"
    R"("values":["curl","wget"]}},)"
    R"({"name":"r","type":"probabilistic","probabilistic":{"sampling_percentage":1}}]})";

double CpuNs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

void Print(const char* name, double ns, double spans) {
  std::printf("otlp.%s,%.0f,ns/span,,,\n", name, ns / spans);
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t spans = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500'000;
  const auto log = StderrLogger(LogLevel::kWarn);
  Metrics metrics;
  SystemClock clock;
  plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
  auto loaded = loader.Load(plugin::Kind::kSampler, "tail");
  if (!loaded) return std::fprintf(stderr, "%s\n", loaded.error().message.c_str()), 1;
  auto made = plugin::PluginInstance::Create(*loaded, kPolicies, {*log, metrics, clock});
  if (!made) return std::fprintf(stderr, "%s\n", made.error().message.c_str()), 1;
  std::vector<std::unique_ptr<trace::TracePartition>> stage;
  for (uint32_t p = 0; p < kPartitions; ++p)
    stage.push_back(std::make_unique<trace::TracePartition>(
        trace::TraceConfig{}, trace::Tenure{p, 1, 0, 0, 1},
        std::vector<trace::Sampler>{{"tail", &made->sampler(), made->handle()}}, metrics, *log));

  bench::OtlpLoad load(spans);
  otlp::ProtoDecoder decoder;
  api::SpanTable table;
  const api::SpanTable none;
  double decode = 0, records = 0, decide = 0;
  uint64_t offset = 0;
  int64_t now_ns = 0;
  while (!load.done()) {
    const std::string message = load.Next();
    now_ns += 100 * kMillisecond;
    const double begin = CpuNs();
    if (!decoder.Decode(message, &table)) return 1;
    const double decoded = CpuNs();
    auto made_records = sources::MakeSpanRecords(table, kPartitions);
    const double cut = CpuNs();
    table.Clear();
    for (sources::SpanRecord& one : made_records)
      stage[one.record.partition]->Consume({transport::Stream::kSpans, one.record.partition,
                                            transport::RecordType::kSpanBatch, 0, offset++, now_ns,
                                            std::move(one.record.payload)});
    for (uint32_t p = 0; p < kPartitions; ++p) {
      stage[p]->Consume({transport::Stream::kSpans, p, transport::RecordType::kSpanBatch, 0,
                         offset++, now_ns, api::EncodeSpans(none, 0, now_ns - 2 * kSecond)});
      (void)stage[p]->Tick(now_ns, true);
      for (const auto& batch : stage[p]->TakeExports()) stage[p]->Acknowledge(batch->number);
    }
    decode += decoded - begin;
    records += cut - decoded;
    decide += CpuNs() - cut;
  }
  const double begin = CpuNs();
  for (const auto& one : stage) {
    one->CloseAll();
    (void)one->Tick(now_ns, true);
  }
  decide += CpuNs() - begin;
  std::printf("name,value,unit,baseline,ratio,aim\n");
  const auto all = static_cast<double>(load.spans());
  Print("decode", decode, all);
  Print("records", records, all);
  Print("stage2_decide", decide, all);
  return 0;
}
