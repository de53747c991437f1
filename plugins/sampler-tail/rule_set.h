// RuleSet: rules in order; the first whose condition holds decides how likely the trace is kept.
//
// A condition is a policy without chance or budget. Kept is by trace id (randomness.h), at a fixed
// ratio or at one that follows the load, so the weight is 1 / probability. A trace that no rule is
// for is kept: what was forgotten must not vanish. One thread.
//
//   rules:
//     - {name: errors, if: {type: status_code, status_code: {status_codes: [ERROR]}}}
//     - {name: health, if: {type: string_attribute, ...}, keep: 0}
//     - {name: rest, adaptive: {per_operation: 5}}
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plugins/sampling/throughput.h"
#include "plugins/sampler-tail/policy_config.h"

namespace weft::tail {

class RuleSet {
 public:
  // Throws sdk::ConfigError.
  RuleSet(std::vector<sampling::Settings> rules, PolicyReader& reader);

  // Before the traces of a batch.
  void Begin(const weft_spans& spans, int64_t now_ns, double share);
  // `row`: whose service and operation the trace is of.
  Outcome Decide(const TraceFacts& facts, uint32_t row);
  void Save(std::string& state) const;
  bool Load(std::string_view state);

 private:
  struct Rule {
    std::string name;     // "tail/slow"
    PolicyPtr condition;  // null: every trace
    uint64_t threshold = 0;
    std::unique_ptr<sampling::Throughput> adaptive;                 // instead of the threshold
    std::unordered_map<uint64_t, sampling::Throughput::Key*> keys;  // of one batch
  };
  double Adapt(Rule& rule, const TraceFacts& facts, uint32_t row);

  std::vector<Rule> rules_;
  std::vector<uint64_t> randomness_;
  std::vector<uint8_t> passed_;
};

}  // namespace weft::tail
