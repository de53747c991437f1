// SamplerChain: asks the configured samplers about closed traces and combines their answers.
//
// A trace is kept where every sampler keeps it; weights multiply; the rule is that of the first
// sampler that drops it, else of the last one that named any. Truth is hidden from samplers. A
// sampler that fails keeps everything and is counted: losing traces over a broken policy would be
// silent loss. One caller at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"

namespace weft::trace {

// Lent; the instance outlives the chain.
struct Sampler {
  std::string name;
  const weft_sampler* table = nullptr;
  void* instance = nullptr;
};

struct Decisions {
  std::vector<uint8_t> keep;
  std::vector<double> weight;
  std::vector<std::string_view> rule;  // lives as long as the sampler's instance
};

class SamplerChain {
 public:
  SamplerChain(std::vector<Sampler> samplers, Metrics& metrics, Logger& log);

  bool empty() const { return samplers_.empty(); }
  // One entry per trace; valid until the next call.
  const Decisions& Decide(const weft_spans& spans, const weft_traces& traces);

 private:
  bool Ask(const Sampler& sampler, const weft_spans& spans, const weft_traces& traces);

  std::vector<Sampler> samplers_;
  Counter& failures_;
  Logger& log_;
  Decisions result_;
  std::vector<uint8_t> keep_;
  std::vector<double> weight_;
  std::vector<weft_str> rule_;
};

}  // namespace weft::trace
