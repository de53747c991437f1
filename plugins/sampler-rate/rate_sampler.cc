// rate: at most so many traces, spans and bytes a second, together or for each service. Last in
// the chain it stands above all keep rules: who makes every request an error cannot flood a store.
#include <string>
#include <unordered_map>

#include "engine/api/plugin.h"
#include "plugins/sampling/trace_batch_keys.h"
#include "plugins/sampling/trace_bytes.h"
#include "plugins/sampler-rate/token_buckets.h"

namespace {

using namespace weft::sampling;

class RateSampler {
 public:
  static constexpr const char* kName = "rate";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "traces_per_second": {"type": "number", "minimum": 0, "default": 0},
      "spans_per_second": {"type": "number", "minimum": 0, "default": 0},
      "bytes_per_second": {"type": "number", "minimum": 0, "default": 0,
        "description": "as OTLP protobuf"},
      "burst_seconds": {"type": "number", "minimum": 0.001, "maximum": 3600, "default": 2,
        "description": "a quiet time is made up for by so many seconds' worth at once"},
      "per": {"type": "string", "enum": ["all", "service", "operation"], "default": "all",
        "description": "whose budget: of the service, or service and operation, of the root"},
      "max_keys": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 1000,
        "description": "further services or operations share one budget"}
    }
  })";

  RateSampler(const weft::sdk::Host&, const weft::sdk::PluginConfig& config)
      : budgets_{config.Number("traces_per_second", 0), config.Number("spans_per_second", 0),
                 config.Number("bytes_per_second", 0)},
        buckets_(budgets_, config.Number("burst_seconds", 2),
                 static_cast<uint32_t>(config.Number("max_keys", 1000))) {
    if (budgets_ == Costs{})
      throw weft::sdk::ConfigError(
          "a budget is missing: traces_per_second, spans_per_second or bytes_per_second");
    ParseKeyOf(config.Text("per", "all"), &of_);
  }

  void Decide(const weft_spans& spans, const weft_traces& traces, weft_decisions& out) {
    static constexpr std::string_view kWithin = "rate", kOver = "rate/over-limit";
    const double share = traces.n_partitions == 0 ? 1.0 : 1.0 / traces.n_partitions;
    const bool bytes = budgets_[kBytes] > 0;
    if (bytes) bytes_.Begin(spans);
    keys_.clear();
    for (uint32_t i = 0; i < traces.n; ++i) {
      const uint32_t row = RowOfTrace(traces, i);
      const uint64_t batch_key = BatchKey(of_, spans, row);
      auto known = keys_.find(batch_key);
      if (known == keys_.end()) known = keys_.emplace(batch_key, KeyText(of_, spans, row)).first;
      Costs costs{1, static_cast<double>(traces.n_rows[i]), 0};
      if (bytes)
        costs[kBytes] = static_cast<double>(bytes_.Of(traces.first_row[i], traces.n_rows[i]));
      TokenBuckets::Key& key = buckets_.Find(known->second, traces.decided_ns, share);
      const double stands_for = buckets_.Offer(key, costs, traces.decided_ns, share);
      out.keep[i] = stands_for > 0 ? 1 : 0;
      out.weight[i] = stands_for;
      out.rule[i] = weft::sdk::Str(stands_for > 0 ? kWithin : kOver);
    }
  }

  void Save(std::string& state) { buckets_.Save(state); }
  bool Load(std::string_view state) { return buckets_.Load(state); }

 private:
  Costs budgets_;
  TokenBuckets buckets_;
  KeyOf of_ = KeyOf::kAll;
  TraceBytes bytes_;
  std::unordered_map<uint64_t, std::string> keys_;  // of one batch
};

}  // namespace

WEFT_SAMPLER(RateSampler)
