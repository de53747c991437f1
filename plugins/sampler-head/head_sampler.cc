// head: keeps a share of the traces by trace id alone, so that every process of every host that
// samples so decides alike, and a trace that is kept at one ratio is kept at every higher one.
//
// The rule is OpenTelemetry's consistent probability sampling (tracestate ot=th): the low 56 bits
// of the trace id are the randomness R; a trace is kept when R >= T, where T = (1 - ratio) * 2^56.
// The weight (adjusted count) of a kept trace is 1 / ratio, after rounding of T.
#include <cmath>
#include <string>

#include "engine/api/plugin.h"

namespace {

constexpr uint64_t kRandomnessBits = 56;
constexpr uint64_t kRandomnessRange = uint64_t{1} << kRandomnessBits;

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

  HeadSampler(const weft::sdk::Host&, const weft::sdk::PluginConfig& config) {
    const double ratio = config.Number("ratio", 1.0);
    const double rejected = (1.0 - ratio) * static_cast<double>(kRandomnessRange);
    threshold_ = static_cast<uint64_t>(std::llround(rejected));
    const uint64_t kept = kRandomnessRange - threshold_;
    if (kept > 0) weight_ = static_cast<double>(kRandomnessRange) / static_cast<double>(kept);
  }

  void Decide(const weft_spans&, const weft_traces& traces, weft_decisions& out) {
    static constexpr std::string_view kRule = "head";
    for (uint32_t i = 0; i < traces.n; ++i) {
      const uint64_t randomness = traces.trace_lo[i] & (kRandomnessRange - 1);
      out.keep[i] = randomness >= threshold_ ? 1 : 0;
      out.weight[i] = weight_;
      out.rule[i] = weft::sdk::Str(kRule);
    }
  }

 private:
  uint64_t threshold_ = 0;  // 2^56: nothing is kept
  double weight_ = 1;
};

}  // namespace

WEFT_SAMPLER(HeadSampler)
