#include "engine/trace/sampler_chain.h"

#include <cmath>

#include <fmt/format.h>

#include "engine/api/dictionary.h"

namespace weft::trace {

SamplerChain::SamplerChain(std::vector<Sampler> samplers, Metrics& metrics, Logger& log)
    : samplers_(std::move(samplers)), failures_(metrics.Get("trace.sampler_failures")), log_(log) {}

const Decisions& SamplerChain::Decide(const weft_spans& spans, const weft_traces& traces) {
  result_.keep.assign(traces.n, 1);
  result_.weight.assign(traces.n, 1.0);
  result_.rule.assign(traces.n, {});
  weft_spans hidden = spans;
  hidden.truth = nullptr;
  hidden.truth_strings = nullptr;
  hidden.n_truth_strings = 0;
  for (const Sampler& sampler : samplers_) {
    if (!Ask(sampler, hidden, traces)) continue;
    for (uint32_t i = 0; i < traces.n; ++i) {
      if (!result_.keep[i]) continue;
      result_.keep[i] = keep_[i] != 0;
      // An adjusted count below 1 or not finite would make every later sum wrong.
      if (std::isfinite(weight_[i]) && weight_[i] >= 1.0) result_.weight[i] *= weight_[i];
      if (rule_[i].size != 0 && rule_[i].data != nullptr) result_.rule[i] = api::View(rule_[i]);
    }
  }
  return result_;
}

bool SamplerChain::Ask(const Sampler& sampler, const weft_spans& spans, const weft_traces& traces) {
  keep_.assign(traces.n, 1);
  weight_.assign(traces.n, 1.0);
  rule_.assign(traces.n, weft_str{"", 0});
  weft_decisions out{sizeof(weft_decisions), traces.n, keep_.data(), weight_.data(), rule_.data()};
  weft_error error{};
  if (sampler.table->decide(sampler.instance, &spans, &traces, &out, &error) == WEFT_OK)
    return true;
  // The first failures are told in words, the rest only counted: a policy that fails on every batch
  // must not fill the log.
  if (failures_.Get() < 10)
    log_.Error(fmt::format("sampler {}: {} traces kept undecided: {}", sampler.name, traces.n,
                           std::string_view(error.message)));
  failures_.Add(1);
  return false;
}

}  // namespace weft::trace
