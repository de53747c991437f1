// head: keeps a share of the traces by trace id alone, so that every process of every host that
// samples so decides alike, and a trace that is kept at one ratio is kept at every higher one.
//
// The rule is OpenTelemetry's (plugins/sampling/randomness.h); where the root's tracestate brings
// explicit randomness (ot=rv) that counts in place of the trace id's.
#include <optional>
#include <string_view>

#include "engine/api/plugin.h"
#include "engine/api/plugin_shares.h"
#include "plugins/sampling/randomness.h"
#include "plugins/sampling/trace_batch_keys.h"
#include "plugins/sampling/trace_state.h"

namespace {

using namespace weft::sampling;

class HeadSampler {
 public:
  static constexpr const char* kName = "head";
  static constexpr const char* kVersion = "0.1.0";
  static constexpr const char* kConfigSchema = R"({
    "type": "object",
    "properties": {
      "ratio": {"type": "number", "minimum": 0, "maximum": 1, "default": 1,
                "description": "share of the traces to keep"}
    }
  })";

  HeadSampler(const weft::sdk::Host&, const weft::sdk::PluginConfig& config)
      : threshold_(Threshold(config.Number("ratio", 1.0))) {
    if (threshold_ < kRandomnessRange) weight_ = WeightOf(threshold_);
  }

  void Decide(const weft_spans& spans, const weft_traces& traces, weft_decisions& out) {
    static constexpr std::string_view kRule = "head";
    states_.Begin(spans);
    for (uint32_t i = 0; i < traces.n; ++i) {
      std::optional<uint64_t> drawn;
      if (states_.any()) drawn = ParseOtState(states_.Of(RowOfTrace(traces, i))).randomness;
      if (!drawn) weft_by_trace_id(&out, i);
      out.keep[i] = drawn.value_or(Randomness(traces.trace_lo[i])) >= threshold_ ? 1 : 0;
      out.weight[i] = weight_;
      out.rule[i] = weft::sdk::Str(kRule);
    }
  }

 private:
  uint64_t threshold_;  // 2^56: nothing is kept
  double weight_ = 1;
  TraceStates states_;
};

}  // namespace

WEFT_SAMPLER(HeadSampler)
