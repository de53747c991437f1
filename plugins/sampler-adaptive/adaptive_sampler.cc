// adaptive: a target throughput for every service and operation, or for all together. Rare
// operations are kept whole; frequent ones with a probability that follows the load.
#include <string>
#include <unordered_map>

#include "engine/api/plugin.h"
#include "engine/api/plugin_shares.h"
#include "plugins/sampling/throughput.h"
#include "plugins/sampling/trace_batch_keys.h"

namespace {

using weft::sampling::Throughput;

class AdaptiveSampler {
 public:
  static constexpr const char* kName = "adaptive";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "per_operation": {"type": "number", "minimum": 0, "default": 0,
        "description": "traces a second of each service and operation; 0: no such target"},
      "total": {"type": "number", "minimum": 0, "default": 0,
        "description": "traces a second of all together; 0: no such target"},
      "max_operations": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 1000,
        "description": "further ones share one target"}
    }
  })";

  AdaptiveSampler(const weft::sdk::Host&, const weft::sdk::PluginConfig& config)
      : throughput_({config.Number("per_operation", 0), config.Number("total", 0),
                     static_cast<uint32_t>(config.Number("max_operations", 1000))}) {
    if (config.Number("per_operation", 0) <= 0 && config.Number("total", 0) <= 0)
      throw weft::sdk::ConfigError("a target is missing: per_operation, total or both");
  }

  void Decide(const weft_spans& spans, const weft_traces& traces, weft_decisions& out) {
    static constexpr std::string_view kRule = "adaptive";
    throughput_.Advance(traces.decided_ns,
                        traces.n_partitions == 0 ? 1.0 : 1.0 / traces.n_partitions);
    keys_.clear();
    for (uint32_t i = 0; i < traces.n; ++i) {
      const uint32_t row = weft::sampling::RowOfTrace(traces, i);
      constexpr auto kOf = weft::sampling::KeyOf::kOperation;
      Throughput::Key*& key = keys_[weft::sampling::BatchKey(kOf, spans, row)];
      if (key == nullptr) key = &throughput_.Find(weft::sampling::KeyText(kOf, spans, row));
      const double weight = throughput_.Offer(*key, traces.trace_lo[i]);
      out.keep[i] = weight > 0 ? 1 : 0;
      out.weight[i] = weight;
      weft_by_trace_id(&out, i);
      out.rule[i] = weft::sdk::Str(kRule);
    }
  }

  void Save(std::string& state) { throughput_.Save(state); }
  bool Load(std::string_view state) { return throughput_.Load(state); }

 private:
  Throughput throughput_;
  std::unordered_map<uint64_t, Throughput::Key*> keys_;  // of one batch
};

}  // namespace

WEFT_SAMPLER(AdaptiveSampler)
