// SamplerChain: asks the configured samplers about closed traces and combines their answers.
//
// A trace is kept where every sampler keeps it, and later ones are not asked about what an earlier
// one dropped; weights multiply, but of those by trace id the largest counts; the rule is the path
// of those that were named on the way, up to the first sampler that drops it:
// "parent/root > tail/slow". Each path has its own counters. Truth is hidden from samplers. A
// sampler that fails keeps everything and is counted: losing traces over a broken policy would be
// silent loss. One caller at a time.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/plugin_abi.h"
#include "engine/base/log.h"
#include "engine/base/metrics.h"
#include "engine/trace/export_batch.h"

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
  std::vector<std::string_view> rule;  // lives as long as the chain
};

class SamplerChain {
 public:
  SamplerChain(std::vector<Sampler> samplers, Metrics& metrics, Logger& log);

  bool empty() const { return samplers_.empty(); }
  // One entry per trace; valid until the next call.
  const Decisions& Decide(const weft_spans& spans, const weft_traces& traces);

  // What the samplers have learned, for the partition's next owner: names that Load knows again.
  struct State {
    std::string name, bytes;
  };
  std::vector<State> Save();
  // False where no sampler is of that name, or it cannot read the state.
  bool Load(const State& state);
  bool stateful() const { return stateful_; }

 private:
  // Traces that a path of rules kept, and dropped.
  struct Path {
    std::string name;
    Counter &kept, &dropped;
  };
  weft_traces Left(const weft_traces& traces);
  void Weigh(uint32_t trace, double weight, bool by_trace_id);
  std::string_view Join(std::string_view path, std::string_view rule);
  void Count(std::string_view path, bool keep);
  Path& PathOf(std::string_view path);
  std::string NameOf(size_t sampler) const;
  bool Ask(const Sampler& sampler, const weft_spans& spans, const weft_traces& traces);

  std::vector<Sampler> samplers_;
  Counter &failures_, &state_too_large_;
  Metrics& metrics_;
  Logger& log_;
  Decisions result_;
  std::vector<uint8_t> keep_, by_trace_id_;
  std::vector<double> weight_;
  std::vector<double> share_weight_;  // per trace: the largest by trace id
  std::vector<weft_str> rule_;
  std::vector<uint32_t> alive_;  // traces that no sampler has dropped
  TraceRows left_;
  bool stateful_ = false;
  std::string joined_;
  std::set<std::string, std::less<>> paths_;  // those that were made here
  std::map<std::string, Path, std::less<>> counters_;
  // By the text's address: names of rules stay where they are.
  std::unordered_map<const char*, Path*> known_;
};

}  // namespace weft::trace
