// Pipeline: transport, plugins, engine and ledger, composed from a Config.
//
// `weft run` and `weft replay` own one and put a source in front of it; for `weft engine` what
// comes through Kafka is the source, and only what its stages need is loaded. Start loads and
// checks every plugin first: a failure refuses the pipeline and names the plugin. The caller stops
// its source, then calls Stop. KeepLedger, KeepMemory and Stop from the thread that made it; Stats
// and Failure from any.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/config.h"
#include "engine/base/memory_share.h"
#include "engine/cli/ledger.h"
#include "engine/cli/memory_keeper.h"
#include "engine/cli/transport_choice.h"
#include "engine/graph/engine.h"
#include "engine/plugin/host.h"
#include "engine/plugin/instance.h"
#include "engine/transport/transport.h"

namespace weft::cli {

// Stage 2 as the configuration has it. kInvalid: rules that cannot be.
Result<trace::TraceConfig> TraceConfigOf(const Config& config);

// An exporter of the configuration, with what the sections of it say of that kind.
Result<std::unique_ptr<plugin::PluginInstance>> MakeExporter(const Config& config,
                                                             const PluginChoice& choice,
                                                             const plugin::Services& services);

// Exporters of the caller's own beside those of the configuration; what their instances are
// outlives the pipeline. `as_judged`: see TraceConfig.
struct PipelineAdditions {
  std::vector<graph::Exporter> exporters;
  bool as_judged = false;
};

class Pipeline {
 public:
  // What `services` names must outlive the pipeline. Waits for brokers as patience allows.
  static Result<std::unique_ptr<Pipeline>> Start(const Config& config,
                                                 const plugin::Services& services,
                                                 const Patience& patience = {},
                                                 PipelineAdditions additions = {});
  ~Pipeline();

  transport::Transport& transport() { return *transport_; }
  graph::EngineStats Stats() const { return engine_->Stats(); }
  std::optional<Error> Failure() const { return engine_->Failure(); }
  // The file that is written: store.path with its places filled in. "" where none is.
  std::string store_path() const;
  // For people, "weft.db" or "weft.db, kafka": the store, and exporters that have no store.
  std::string Destination() const;
  // Exporters that drop when they are full, so that they hold up nobody (when_full: drop).
  std::vector<std::string> Expendable() const;
  // Seconds for which the brokers have not answered; 0 where there are none.
  uint64_t BrokersSilent() const { return services_.metrics.Get("kafka.watch_silent").Get(); }
  Counters Snapshot() const { return services_.metrics.Snapshot(); }

  // Writes the counters to the store if the last time is an interval ago. A failure is logged once.
  void KeepLedger();
  // The same at once.
  Result<void> WriteLedger();
  // Queues shrink and grow with the memory that there is; looks at it a few times a second.
  void KeepMemory();
  // Correlators and samplers as `next` has them, from now on: each shard changes over between two
  // turns. An error, and nothing changed, where one cannot be loaded or refuses its configuration.
  Result<void> Renew(const Config& next);
  // Drains everything by the deadline, then writes the ledger for the last time.
  Result<void> Stop(int64_t deadline_ns);

 private:
  class LedgerKeeper;
  Pipeline(const Config& config, const plugin::Services& services);
  // What shards are made of: the chains as they are configured, and their libraries.
  struct Chains {
    std::vector<PluginChoice> correlators, samplers;
    std::vector<plugin::LoadedPlugin> loaded_correlators, loaded_samplers;
  };
  Result<void> LoadChains(const Config& config);
  Result<void> LoadExporters(graph::EnginePlugins* plugins);
  Result<graph::ShardPlugins> MakeShardPlugins(const Chains& chains, transport::Stage stage) const;
  Result<void> StartEngine(const Patience& patience);
  bool Runs(transport::Stage stage) const;

  Config config_;
  plugin::Services services_;
  std::unique_ptr<LedgerKeeper> ledger_;
  MemoryShare share_;
  MemoryKeeper memory_{share_, services_};
  std::unique_ptr<transport::Transport> transport_;
  std::mutex chains_mutex_;
  std::shared_ptr<const Chains> chains_;  // owners: this, and whoever makes a shard's plugins
  std::vector<std::unique_ptr<plugin::PluginInstance>> exporters_;
  PipelineAdditions additions_;
  std::unique_ptr<graph::Engine> engine_;  // goes before what it uses
  std::shared_ptr<void> otlp_;  // shared by nobody, of a type that builds may lack: a source
};

}  // namespace weft::cli
