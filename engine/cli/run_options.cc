#include "engine/cli/run_options.h"

#include <fmt/format.h>

namespace weft::cli {
namespace {

template <typename T>
void Append(const std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

void RunOptions::DeclareConfig(Options& options) {
  options.Text("--config", &config_file_, "Configuration file; see `weft validate`", "FILE");
}

void RunOptions::DeclareSource(Options& options) {
  options.List("--include-process", &include_,
               "Only processes of these names (of the service, or of the executable)", "NAME,...");
  options.List("--exclude-process", &exclude_, "Never processes of these names", "NAME,...");
  options.Ints("--pid", &pids_, 1, 4194304, "Only these processes");
  options.Ints("--port", &ports_, 1, 65535, "Only connections with one of these ports");
  options.Text("--hooks", &hooks_, "Where to listen in the kernel (default: auto)",
               "auto|socket|syscalls");
  options.Flag("--capture-truth", &capture_truth_,
               "Keep the header X-Weft-Truth, for scoring with `weft eval`");
}

void RunOptions::DeclareKafka(Options& options) {
  options.List("--brokers", &brokers_, "Kafka's brokers; the same as kafka.brokers",
               "HOST:PORT,...");
  options.Text("--group", &group_, "Name that the engines which share the work have in common",
               "NAME");
}

void RunOptions::DeclareStages(Options& options) {
  options.List("--stages", &stages_, "stitch, trace, or both (default)", "STAGE,...");
}

void RunOptions::DeclareEngine(Options& options) {
  options.Text("--db", &db_, "Store to write (default: weft.db)", "FILE");
  DeclareChain(options);
  options.Int("--partitions", &partitions_, 0, 256, "Shards of each stage; 0: as configured");
}

std::string_view RunOptions::EngineOptionGiven() const {
  return !db_.empty()            ? "--db"
         : !correlators_.empty() ? "--correlators"
         : partitions_ > 0       ? "--partitions"
                                 : "";
}

void RunOptions::DeclareChain(Options& options) {
  options.List("--correlators", &correlators_,
               "Who speaks for links, in this order (default: context,thread,token,delay)",
               "NAME,...");
  options.Text("--plugin-dir", &plugin_dir_, "Folder of the plugins", "DIR");
}

void RunOptions::DeclareOtlp(Options& options) {
  options.Flag("--otlp", &otlp_,
               "Take OTLP too, of programs with an SDK: 127.0.0.1:4317 (gRPC) and 4318 (HTTP)");
}

void RunOptions::DeclareZipkin(Options& options) {
  options.Flag("--zipkin", &zipkin_, "Take Zipkin's spans too: 127.0.0.1:9411");
}

void RunOptions::DeclareMetrics(Options& options) {
  options.Text("--metrics", &metrics_,
               "Serve /metrics, /healthz and /readyz there, such as 127.0.0.1:9338 (default: not)",
               "ADDRESS");
}

Result<Config> RunOptions::Load() const {
  Config config;
  if (!config_file_.empty()) {
    auto loaded = LoadConfigFile(config_file_);
    if (!loaded) return loaded;
    config = std::move(*loaded);
  }
  Append(include_, config.ebpf.include.processes);
  Append(exclude_, config.ebpf.exclude.processes);
  Append(pids_, config.ebpf.include.pids);
  Append(ports_, config.ebpf.include.ports);
  if (!hooks_.empty()) {
    if (hooks_ != "auto" && hooks_ != "socket" && hooks_ != "syscalls")
      return Fail(Code::kInvalid,
                  fmt::format("--hooks: '{:.40}' is not one of: auto socket syscalls", hooks_));
    config.ebpf.hooks = hooks_;
  }
  config.ebpf.capture_truth |= capture_truth_;
  if (!metrics_.empty()) config.metrics.listen = metrics_;
  // An address of the file stands.
  if (otlp_ && config.otlp.listen_grpc.empty()) config.otlp.listen_grpc = "127.0.0.1:4317";
  if (otlp_ && config.otlp.listen_http.empty()) config.otlp.listen_http = "127.0.0.1:4318";
  if (zipkin_ && config.zipkin.listen.empty()) config.zipkin.listen = "127.0.0.1:9411";
  if (!brokers_.empty()) {
    config.kafka.brokers = brokers_;
    config.transport.kind = "kafka";
  }
  if (!group_.empty()) config.kafka.group = group_;
  if (!stages_.empty()) config.engine.stages = stages_;
  if (!db_.empty()) config.store.path = db_;
  if (!plugin_dir_.empty()) config.plugin_dir = plugin_dir_;
  if (partitions_ > 0) config.partitions = partitions_;
  if (!correlators_.empty()) {
    // A correlator of the file keeps its configuration.
    std::vector<PluginChoice> chain;
    for (const std::string& name : correlators_) {
      PluginChoice choice{name};
      for (const PluginChoice& configured : config.correlators)
        if (configured.name == name) choice = configured;
      chain.push_back(std::move(choice));
    }
    config.correlators = std::move(chain);
  }
  WEFT_TRY(CheckConfig(config));
  return config;
}

}  // namespace weft::cli
