// TraceEval: correlators and the simple rules on recorded traces whose parents are known.
//
// Reads each file once, takes ids and parents away, changes the load as asked, lets the engine's
// stage 1 rebuild the links with the plugins, and scores them. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/config.h"
#include "engine/cli/command.h"
#include "engine/cli/eval_rows.h"
#include "engine/eval/known_traces.h"
#include "engine/plugin/loader.h"

namespace weft::cli {

struct TraceEvalSettings {
  std::vector<double> compress{1};
  double lose_client = 0, lose_server = 0;
  int64_t noise_ns = 0;
  std::optional<eval::SlowService> slow;
  uint64_t seed = 1;
  bool baselines = true;
};

class TraceEval {
 public:
  // Chain, plugin folder and stage 1's settings come from `config`.
  TraceEval(const TraceEvalSettings& settings, const Config& config, CommandContext& context);

  // The file's traces. What could not be read of it is warned about.
  Result<eval::KnownTraces> Read(const std::string& file);
  // One compression: the chain's row, then the simple rules.
  Result<std::vector<EvalRow>> Run(const eval::KnownTraces& recorded, double compress);

 private:
  // What all methods are asked about.
  struct Load {
    eval::KnownTraces known;
    std::vector<bool> ambiguous;
    double concurrency = 0;
    eval::SlowService slow;
    std::optional<eval::SlowPhases> phases;  // of it
  };
  Result<Load> Change(const eval::KnownTraces& recorded, double compress) const;
  Result<EvalRow> RunChain(const std::vector<PluginChoice>& chain, std::string_view name,
                           const Load& load);
  EvalRow RowOf(const Load& load, std::string_view name, const eval::Parents& parents,
                const std::vector<float>& confidence, double seconds) const;
  void RunRules(const Load& load, std::vector<EvalRow>& rows);

  const TraceEvalSettings settings_;
  const Config& config_;
  CommandContext& context_;
  plugin::PluginLoader loader_;
};

}  // namespace weft::cli
