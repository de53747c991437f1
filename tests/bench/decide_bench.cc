// What a decision costs: CPU ns per trace and per span of the samplers, by number of policies.
//
//   build/release/tests/bench/decide_bench > build/bench/decide.csv
//
// Batches as stage 2 hands them over: 400 traces of ten spans with ten attributes, eight services,
// a path with one of 100,000 ids. Every 50th trace fails and every 20th is slow. The policies are
// those that people have: latency, status, attributes with and without patterns, percentages.
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include <sys/resource.h>

#include <fmt/format.h>

#include "engine/base/hash.h"
#include "engine/plugin/instance.h"
#include "engine/plugin/loader.h"
#include "engine/trace/export_batch.h"
#include "engine/trace/sampler_chain.h"

namespace {

using namespace weft;

constexpr uint32_t kTraces = 400, kSpans = 10;

double CpuNs() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

struct Batch {
  api::SpanTable spans;
  trace::TraceRows traces;
  api::SpanView view;
};

std::unique_ptr<Batch> Make(uint64_t seed) {
  auto batch = std::make_unique<Batch>();
  api::SpanTable& t = batch->spans;
  std::mt19937_64 random(seed);
  for (uint32_t i = 0; i < 8; ++i)
    t.AddProcess(i + 1, "node-1", fmt::format("service-{}", i), "/usr/bin/python3.11", 100 + i);
  for (uint32_t k = 0; k < kTraces; ++k) {
    const uint64_t trace = seed * kTraces + k + 1;
    batch->traces.AddTrace(Mix64(trace), Mix64(Mix64(trace)), t.n());
    for (uint32_t i = 0; i < kSpans; ++i) {
      const uint32_t row = t.AddRow();
      const auto service = static_cast<uint32_t>(random() % 8);
      t.span_id[row] = random();
      t.parent_id[row] = i;
      t.kind[row] = i % 2 == 0 ? WEFT_KIND_SERVER : WEFT_KIND_CLIENT;
      t.status[row] = trace % 50 == 0 && i == 5 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET;
      t.start_ns[row] = static_cast<int64_t>(trace * 1000);
      t.end_ns[row] = t.start_ns[row] + (trace % 20 == 0 ? 600'000'000 : 5'000'000);
      t.process[row] = service;
      t.service[row] = t.processes.service[service];
      t.operation[row] = t.Intern(fmt::format("GET /op-{}/{{id}}", random() % 20));
      t.Attribute("http.request.method", "GET");
      t.Attribute("http.response.status_code", int64_t{200});
      t.Attribute("url.path", fmt::format("/op/{}", random() % 100'000));
      t.Attribute("url.scheme", "http");
      t.Attribute("server.address", fmt::format("service-{}.shop.svc", service));
      t.Attribute("server.port", int64_t{80});
      t.Attribute("client.address", fmt::format("10.0.1.{}", random() % 250));
      t.Attribute("network.protocol.version", "1.1");
      t.Attribute("user_agent.original", fmt::format("curl/7.{}", random() % 20));
      t.Attribute("weft.new_connection", random() % 2 == 0);
      batch->traces.AddSpan(t, row, i == 0);
    }
  }
  batch->view = t.View();
  return batch;
}

std::string Policies(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) {
    const char* settings[] = {
        R"("type":"status_code","status_code":{"status_codes":["ERROR"]})",
        R"("type":"latency","latency":{"threshold_ms":500})",
        R"("type":"probabilistic","probabilistic":{"sampling_percentage":1})",
        R"("type":"string_attribute","string_attribute":{"key":"server.address","values":["a","b"]})",
        R"("type":"numeric_attribute","numeric_attribute":{"key":"http.response.status_code","min_value":500})",
        R"("type":"string_attribute","string_attribute":{"key":"url.path","values":["^/admin","health$"],"enabled_regex_matching":true})",
        R"("type":"boolean_attribute","boolean_attribute":{"key":"debug","value":true})",
        R"("type":"and","and":{"and_sub_policy":[{"name":"x","type":"span_count","span_count":{"min_spans":50}},{"name":"y","type":"latency","latency":{"threshold_ms":9}}]})",
    };
    out += fmt::format(R"({}{{"name":"p{}",{}}})", i == 0 ? "" : ",", i, settings[i % 8]);
  }
  return R"({"policies":[)" + out + "]}";
}

}  // namespace

int main() {
  const auto log = StderrLogger(LogLevel::kWarn);
  Metrics metrics;
  SystemClock clock;
  plugin::PluginLoader loader(WEFT_PLUGIN_FOLDER);
  std::vector<std::unique_ptr<Batch>> batches;
  for (uint64_t i = 0; i < 20; ++i) batches.push_back(Make(i));
  std::printf("name,value,unit,baseline,ratio,aim\n");
  const auto measure = [&](const std::string& name, std::string_view sampler,
                           const std::string& config) {
    auto loaded = loader.Load(plugin::Kind::kSampler, sampler);
    if (!loaded) return (void)std::fprintf(stderr, "%s\n", loaded.error().message.c_str());
    auto made = plugin::PluginInstance::Create(*loaded, config, {*log, metrics, clock});
    if (!made) return (void)std::fprintf(stderr, "%s\n", made.error().message.c_str());
    trace::SamplerChain chain({{std::string(sampler), &made->sampler(), made->handle()}}, metrics,
                              *log);
    double best = 1e30;
    int64_t now = 1'000'000'000;
    for (int run = 0; run < 5; ++run) {
      const double begin = CpuNs();
      for (int round = 0; round < 10; ++round)
        for (const auto& batch : batches) {
          weft_traces traces = batch->traces.View();
          traces.decided_ns = now += 100'000'000;
          chain.Decide(batch->view.spans(), traces);
        }
      best = std::min(best, CpuNs() - begin);
    }
    const double per_trace = best / (10.0 * 20 * kTraces);
    std::printf("decide.%s.ns_per_trace,%.0f,ns,,,\n", name.c_str(), per_trace);
    std::printf("decide.%s.ns_per_span,%.1f,ns,,,\n", name.c_str(), per_trace / kSpans);
  };
  measure("head", "head", R"({"ratio":0.1})");
  measure("rate", "rate", R"({"spans_per_second":1000,"per":"service"})");
  measure("adaptive", "adaptive", R"({"per_operation":10})");
  for (const int n : {1, 3, 8, 16, 40}) measure(fmt::format("tail_{}", n), "tail", Policies(n));
  measure(
      "tail_ottl", "tail",
      R"x({"policies":[{"name":"o","type":"ottl_condition","ottl_condition":{"span":)x"
      R"x(["attributes[\"http.response.status_code\"] >= 500 and IsMatch(name, \"^GET\")"]}}]})x");
  return 0;
}
