#include "engine/cli/pipeline.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/base/units.h"
#include "engine/cli/json_writer.h"
#include "engine/cli/transport_choice.h"
#include "engine/plugin/loader.h"

#if WEFT_HAVE_SQLITE
#include "sinks/sqlite/ledger_writer.h"
#include "sinks/sqlite/store_path.h"
#endif

namespace weft::cli {
namespace {

constexpr int64_t kLedgerInterval = 5 * kSecond;
constexpr uint64_t kSmallLimit = 512 << 20;

bool HasSqlite(const Config& config) {
  return std::any_of(config.exporters.begin(), config.exporters.end(),
                     [](const PluginChoice& e) { return e.name == "sqlite"; });
}

// The store's settings in the words of the sqlite exporter's schema.
std::string SqliteConfig(const Config& config) {
  JsonWriter json;
  json.BeginObject();
  json.Field("path", config.store.path);
  // In memory, offsets end with the process.
  if (config.transport.kind == "kafka")
    json.Field("topic", fmt::format("{}/{}spans", config.kafka.group, config.kafka.topic_prefix));
  json.Field("group", config.store.group);
  json.Field("max_age_ns", config.store.max_age_ns);
  json.Field("max_bytes", config.store.max_bytes);
  json.End();
  return json.text();
}

// A store must have everything, and who is alone holds nobody up.
bool DropsWhenFull(const Config& config, const PluginChoice& exporter) {
  if (!exporter.when_full.empty()) return exporter.when_full == "drop";
  return config.exporters.size() > 1 && exporter.name != "sqlite" && exporter.name != "jsonl";
}

stitch::StitchConfig ToStitch(const Config& config) {
  stitch::StitchConfig out;
  out.partitions = static_cast<uint32_t>(config.partitions);
  out.window_ns = config.stitch.window_ns;
  out.lookahead_ns = config.stitch.look_ahead_ns;
  out.min_confidence = config.stitch.min_confidence;
  out.agent_silence_ns = config.stitch.agent_silence_ns;
  out.networks = config.networks;
  return out;
}

}  // namespace

Result<trace::TraceConfig> TraceConfigOf(const Config& config) {
  trace::TraceConfig out;
  out.close.max_age_ns = config.trace.max_age_ns;
  out.close.max_spans = static_cast<uint32_t>(config.trace.max_spans);
  out.close.max_bytes = config.trace.max_bytes;
  const bool others = !config.otlp.topics.empty() || !config.otlp.listen_grpc.empty() ||
                      !config.otlp.listen_http.empty() || !config.zipkin.listen.empty();
  if (others || config.otlp.from_file) out.close.wait_ns = config.otlp.wait_ns;
  auto rules = redact::Rules::Make(config.redact);
  if (!rules) return std::unexpected(std::move(rules.error()));
  out.redact = std::move(*rules);
  return out;
}

#if WEFT_HAVE_SQLITE
class Pipeline::LedgerKeeper {
 public:
  LedgerKeeper(sinks::StorePath store, sinks::LedgerWriter writer, const plugin::Services& services)
      : store_(std::move(store)), writer_(std::move(writer)), services_(services) {}

  void Keep() {
    const int64_t now = services_.clock.MonotonicNs();
    if (now < next_ns_) return;
    next_ns_ = now + kLedgerInterval;
    if (const auto written = writer_.Write(services_.metrics.Snapshot(), false); !written) {
      if (!complained_) services_.log.Warn("ledger: " + written.error().message);
      complained_ = true;
    }
  }
  Result<void> Write() { return writer_.Write(services_.metrics.Snapshot(), false); }
  Result<void> End() { return writer_.Write(services_.metrics.Snapshot(), true); }

 private:
  sinks::StorePath store_;  // nobody else's as long as this lives
  sinks::LedgerWriter writer_;
  plugin::Services services_;
  int64_t next_ns_ = 0;
  bool complained_ = false;
};
#else
class Pipeline::LedgerKeeper {
 public:
  void Keep() {}
  Result<void> Write() { return {}; }
  Result<void> End() { return {}; }
};
#endif

Pipeline::Pipeline(const Config& config, const plugin::Services& services)
    : config_(config), services_(services) {}

Pipeline::~Pipeline() = default;

Result<std::unique_ptr<Pipeline>> Pipeline::Start(const Config& config,
                                                  const plugin::Services& services,
                                                  const Patience& patience,
                                                  PipelineAdditions additions) {
  std::unique_ptr<Pipeline> pipeline(new Pipeline(config, services));
  pipeline->additions_ = std::move(additions);
  WEFT_TRY(pipeline->StartEngine(patience));
  return pipeline;
}

namespace {

std::filesystem::path PluginFolder(const Config& config) {
  return config.plugin_dir.empty() ? plugin::DefaultPluginFolder()
                                   : std::filesystem::path(config.plugin_dir);
}

Result<plugin::LoadedPlugin> Load(plugin::PluginLoader& loader, plugin::Kind kind,
                                  const PluginChoice& choice) {
  auto loaded = loader.Load(kind, choice.name);
  // For the user a plugin that is not there is a wrong configuration, as a misspelt key is.
  if (!loaded) return Fail(Code::kInvalid, loaded.error().message);
  return std::move(*loaded);
}

}  // namespace

Result<void> Pipeline::LoadChains(const Config& config) {
  plugin::PluginLoader loader(PluginFolder(config));
  auto chains = std::make_shared<Chains>();
  chains->correlators = config.correlators;
  chains->samplers = config.samplers;
  for (const PluginChoice& choice : config.correlators) {
    auto loaded = Load(loader, plugin::Kind::kCorrelator, choice);
    if (!loaded) return std::unexpected(loaded.error());
    chains->loaded_correlators.push_back(std::move(*loaded));
  }
  for (const PluginChoice& choice : config.samplers) {
    auto loaded = Load(loader, plugin::Kind::kSampler, choice);
    if (!loaded) return std::unexpected(loaded.error());
    chains->loaded_samplers.push_back(std::move(*loaded));
  }
  // Shards come later, perhaps much later: their configuration is refused now.
  for (const auto stage : {transport::Stage::kStitch, transport::Stage::kTrace})
    if (const auto tried = MakeShardPlugins(*chains, stage); !tried)
      return std::unexpected(tried.error());
  std::lock_guard lock(chains_mutex_);
  chains_ = std::move(chains);
  return {};
}

Result<void> Pipeline::Renew(const Config& next) {
  Config config = config_;  // the folder of the plugins stays
  config.correlators = next.correlators;
  config.samplers = next.samplers;
  WEFT_TRY(LoadChains(config));
  engine_->RenewPlugins();
  return {};
}

Result<std::unique_ptr<plugin::PluginInstance>> MakeExporter(const Config& config,
                                                             const PluginChoice& choice,
                                                             const plugin::Services& services) {
  plugin::PluginLoader loader(PluginFolder(config));
  auto loaded = Load(loader, plugin::Kind::kExporter, choice);
  if (!loaded) return std::unexpected(loaded.error());
  auto own = choice.name == "sqlite"  ? SqliteConfig(config)
             : choice.name == "kafka" ? KafkaExporterConfig(config, choice.config_json)
                                      : Result<std::string>(choice.config_json);
  if (!own) return std::unexpected(std::move(own.error()));
  auto made = plugin::PluginInstance::Create(*loaded, *own, services);
  if (!made) return std::unexpected(made.error());
  return std::make_unique<plugin::PluginInstance>(std::move(*made));
}

Result<void> Pipeline::LoadExporters(graph::EnginePlugins* plugins) {
  plugins->exporters = additions_.exporters;
  for (const PluginChoice& choice : config_.exporters) {
    auto made = MakeExporter(config_, choice, services_);
    if (!made) return std::unexpected(made.error());
    exporters_.push_back(std::move(*made));
    plugins->exporters.push_back({choice.label(), &exporters_.back()->exporter(),
                                  exporters_.back()->handle(), choice.queue_bytes,
                                  DropsWhenFull(config_, choice)});
  }
  return {};
}

bool Pipeline::Runs(transport::Stage stage) const {
  if (config_.transport.kind == "memory") return true;  // nobody else would do it
  const auto& stages = config_.engine.stages;
  const char* name = stage == transport::Stage::kStitch ? "stitch" : "trace";
  return std::find(stages.begin(), stages.end(), name) != stages.end();
}

Result<graph::ShardPlugins> Pipeline::MakeShardPlugins(const Chains& chains,
                                                       transport::Stage stage) const {
  struct Instances final : graph::ShardResources {
    std::vector<std::unique_ptr<plugin::PluginInstance>> list;
  };
  auto instances = std::make_unique<Instances>();
  graph::ShardPlugins shard;
  const bool stitch = stage == transport::Stage::kStitch;
  const std::vector<PluginChoice>& choices = stitch ? chains.correlators : chains.samplers;
  const auto& loaded = stitch ? chains.loaded_correlators : chains.loaded_samplers;
  for (size_t i = 0; i < choices.size(); ++i) {
    auto made = plugin::PluginInstance::Create(loaded[i], choices[i].config_json, services_);
    if (!made) return std::unexpected(made.error());
    instances->list.push_back(std::make_unique<plugin::PluginInstance>(std::move(*made)));
    const plugin::PluginInstance& one = *instances->list.back();
    if (stitch)
      shard.correlators.push_back({choices[i].name, &one.correlator(), one.handle()});
    else
      shard.samplers.push_back({choices[i].name, &one.sampler(), one.handle()});
  }
  shard.instances = std::move(instances);
  return shard;
}

Result<void> Pipeline::StartEngine(const Patience& patience) {
#if WEFT_HAVE_SQLITE
  sinks::StorePath store;
  if (HasSqlite(config_)) {
    auto claimed = sinks::StorePath::Claim(config_.store.path, config_.kafka.instance);
    if (!claimed) return std::unexpected(claimed.error());
    store = std::move(*claimed);
    config_.store.path = store.path();
  }
#endif
  graph::EnginePlugins plugins;
  WEFT_TRY(LoadChains(config_));
  plugins.make = [this](transport::Stage stage, uint32_t) {
    std::unique_lock lock(chains_mutex_);
    const auto chains = chains_;
    lock.unlock();
    return MakeShardPlugins(*chains, stage);
  };
  if (Runs(transport::Stage::kTrace)) WEFT_TRY(LoadExporters(&plugins));
  if (HasSqlite(config_) && Runs(transport::Stage::kTrace)) {
#if WEFT_HAVE_SQLITE
    auto writer = sinks::LedgerWriter::Open(config_.store.path, WEFT_VERSION, services_.clock,
                                            config_.store.group);
    if (!writer) return std::unexpected(writer.error());
    ledger_ = std::make_unique<LedgerKeeper>(std::move(store), std::move(*writer), services_);
#endif
  }
  graph::EngineConfig engine;
  engine.stitch = ToStitch(config_);
  auto trace = TraceConfigOf(config_);
  if (!trace) return std::unexpected(std::move(trace.error()));
  engine.trace = std::move(*trace);
  engine.trace.as_judged = additions_.as_judged;
  const bool in_memory = config_.transport.kind == "memory";
  const bool stitches = Runs(transport::Stage::kStitch);
  const uint64_t streams = (stitches ? 2u : 0u) + (Runs(transport::Stage::kTrace) ? 1u : 0u);
  memory_.Begin({in_memory ? config_.transport.memory_bytes : 0, engine.trace.max_bytes,
                 engine.exporter.queue_bytes, stitches ? engine.stitch.max_bytes : 0,
                 streams * ReadAheadBytes(config_)},
                config_);
  engine.stitch.share = engine.trace.share = engine.exporter.share = &share_;
  auto transport = OpenTransport(config_, services_, patience, 10 * kSecond, &share_);
  if (!transport) return std::unexpected(std::move(transport.error()));
  transport_ = std::move(*transport);
  engine.run_stitch = Runs(transport::Stage::kStitch);
  engine.run_trace = Runs(transport::Stage::kTrace);
  auto started = graph::Engine::Start(engine, std::move(plugins), *transport_, services_.clock,
                                      services_.metrics, services_.log);
  if (!started) return std::unexpected(started.error());
  engine_ = std::move(*started);
  if (!Runs(transport::Stage::kTrace)) return {};
  auto otlp = StartOtlp(config_, transport_->partitions(), services_);
  if (!otlp) return std::unexpected(std::move(otlp.error()));
  otlp_ = std::move(*otlp);
  return {};
}

std::string Pipeline::store_path() const {
  return HasSqlite(config_) && Runs(transport::Stage::kTrace) ? config_.store.path : "";
}

std::string Pipeline::Destination() const {
  std::string out;
  if (!Runs(transport::Stage::kTrace)) return out;
  for (const PluginChoice& exporter : config_.exporters)
    out.append(out.empty() ? "" : ", ")
        .append(exporter.name == "sqlite" ? config_.store.path : exporter.label());
  return out;
}

std::vector<std::string> Pipeline::Expendable() const {
  std::vector<std::string> out;
  for (const PluginChoice& exporter : config_.exporters)
    if (DropsWhenFull(config_, exporter)) out.push_back(exporter.label());
  return out;
}

void Pipeline::KeepLedger() {
  if (ledger_) ledger_->Keep();
}

Result<void> Pipeline::WriteLedger() { return ledger_ ? ledger_->Write() : Result<void>{}; }

void Pipeline::KeepMemory() { memory_.Keep(); }

Result<void> Pipeline::Stop(int64_t deadline_ns) {
  otlp_.reset();
  const Result<void> stopped = engine_->Stop(deadline_ns);
  if (!ledger_) return stopped;
  const Result<void> written = ledger_->End();
  return stopped ? written : stopped;
}

}  // namespace weft::cli
