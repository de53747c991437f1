// parent: does what the caller's trace context says. Its weight is the caller's, where the
// tracestate tells it (ot=th); traces without a context are kept at a ratio of their own.
#include <algorithm>
#include <string>
#include <string_view>

#include "engine/api/plugin.h"
#include "engine/api/plugin_shares.h"
#include "plugins/sampling/randomness.h"
#include "plugins/sampling/trace_batch_keys.h"
#include "plugins/sampling/trace_state.h"

namespace {

using namespace weft::sampling;

class ParentSampler {
 public:
  static constexpr const char* kName = "parent";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "root_ratio": {"type": "number", "minimum": 0, "maximum": 1, "default": 1,
        "description": "share of the traces to keep that no caller has decided about"},
      "not_sampled": {"type": "string", "enum": ["drop", "keep"], "default": "drop",
        "description": "what to do with a trace whose caller does not keep it"},
      "max_weight": {"type": "number", "minimum": 1, "maximum": 1000000000, "default": 10000,
        "description": "the largest weight that a caller is believed"}
    }
  })";

  ParentSampler(const weft::sdk::Host&, const weft::sdk::PluginConfig& config)
      : threshold_(Threshold(config.Number("root_ratio", 1))),
        keep_unsampled_(config.Text("not_sampled", "drop") == "keep"),
        max_weight_(config.Number("max_weight", 10'000)) {}

  void Decide(const weft_spans& spans, const weft_traces& traces, weft_decisions& out) {
    static constexpr std::string_view kRoot = "parent/root", kSampled = "parent/sampled",
                                      kNot = "parent/not-sampled";
    states_.Begin(spans);
    for (uint32_t i = 0; i < traces.n; ++i) {
      const uint32_t row = RowOfTrace(traces, i);
      const OtState state = ParseOtState(states_.Of(row));
      const uint32_t flags = spans.flags[row];
      std::string_view rule = kRoot;
      if ((flags & WEFT_FLAG_SAMPLED) != 0) {
        rule = kSampled;
        // Where the others are kept as well, only what its program reported was chosen by it.
        const bool chosen = !keep_unsampled_ || (flags & WEFT_FLAG_REPORTED) != 0;
        if (chosen && state.threshold && *state.threshold < kRandomnessRange)
          out.weight[i] = std::min(max_weight_, WeightOf(*state.threshold));
      } else if ((flags & WEFT_FLAG_UNSAMPLED) != 0) {
        rule = kNot;
        out.keep[i] = keep_unsampled_ ? 1 : 0;
      } else {
        const uint64_t drawn = state.randomness.value_or(Randomness(traces.trace_lo[i]));
        out.keep[i] = drawn >= threshold_ ? 1 : 0;
        if (out.keep[i] != 0) out.weight[i] = WeightOf(threshold_);
      }
      if (!state.randomness) weft_by_trace_id(&out, i);
      out.rule[i] = weft::sdk::Str(rule);
    }
  }

 private:
  uint64_t threshold_;
  bool keep_unsampled_;
  double max_weight_;
  TraceStates states_;
};

}  // namespace

WEFT_SAMPLER(ParentSampler)
